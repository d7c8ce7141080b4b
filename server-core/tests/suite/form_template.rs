//! `/v1/form-templates`: templates of forms and their drafts.

use reqwest::Method;
use restartix_sdk::core::types::{FormTemplate, FormTemplateInput, PageFormTemplateSummary, Scope, UpdateFormTemplate};
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, granted, refused};
use uuid::Uuid;

/// Returns a field on a scale from 0 to 10.
pub(crate) fn scale(key: &str) -> Value {
    json!({ "key": key, "field": { "definition": { "field_type": "scale", "label": key, "phi": true } } })
}

/// Returns a field that a version of a custom field defines.
pub(crate) fn pinned(key: &str, field: i64, version: i32) -> Value {
    json!({ "key": key, "field": { "custom_field": { "id": field, "version": version } } })
}

/// Returns a definition in English of one section with these items.
pub(crate) fn definition(items: &[Value]) -> Value {
    json!({ "language": "en", "sections": [{ "key": "today", "label": "Today", "items": items }] })
}

pub(crate) fn input(name: &str, definition: &Value) -> FormTemplateInput {
    serde_json::from_value(json!({ "name": name, "definition": definition })).unwrap()
}

/// Returns the body that replaces a template and its draft.
pub(crate) fn update(template: &FormTemplate, name: &str, definition: &Value) -> UpdateFormTemplate {
    let body = json!({ "version": template.version, "name": name, "definition": definition });
    serde_json::from_value(body).unwrap()
}

pub(crate) async fn create(admin: &Actor, name: &str, definition: &Value) -> FormTemplate {
    granted(admin.form_template_create().body(input(name, definition)).send().await, 201)
}

/// Replaces the draft of a template.
pub(crate) async fn redraft(admin: &Actor, template: &FormTemplate, definition: &Value) -> FormTemplate {
    let body = update(template, &template.name, definition);
    granted(admin.form_template_update().form_template_id(template.id).body(body).send().await, 200)
}

/// Creates a template of any name whose draft can be published.
pub(crate) async fn created(admin: &Actor) -> FormTemplate {
    create(admin, &format!("Form {}", Uuid::new_v4()), &definition(&[scale("pain")])).await
}

/// Creates a template of any name with one published version.
pub(crate) async fn published(admin: &Actor) -> FormTemplate {
    let template = created(admin).await;
    crate::form_template_publish::publish(admin, &template).await;
    template
}

/// Creates a custom field of patients; returns its id.
pub(crate) async fn custom_field(admin: &Actor, key: &str) -> i64 {
    let body = json!({
        "entity": "patient",
        "key": key,
        "definition": { "field_type": "text", "label": key, "phi": true },
        "readable_by": ["specialist", "staff", "patient"],
        "writable_by": ["specialist", "patient"],
    });
    let made = Answer::to(admin.request(Method::POST, "/v1/custom-fields").json(&body)).await.json(201);
    made["id"].as_i64().unwrap()
}

/// Creates a template that asks for a custom field, with a draft and one version.
pub(crate) async fn published_with_field(admin: &Actor) -> FormTemplate {
    let field = custom_field(admin, "asked_allergies").await;
    let template = create(admin, "Allergies", &definition(&[pinned("allergies", field, 1)])).await;
    crate::form_template_publish::publish(admin, &template).await;
    template
}

/// Returns the faults of a template's draft as pairs of pointer and rule.
fn faults(template: &FormTemplate) -> Vec<(&str, &str)> {
    template.faults.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect()
}

#[tokio::test]
async fn admins_write_and_the_clinics_people_read() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let body = FormTemplateInput {
        description: Some("Before the first visit.".to_owned()),
        ..input("First visit (Größe)", &definition(&[scale("pain")]))
    };
    let made = granted(admin.form_template_create().body(body).send().await, 201);
    assert_eq!((made.slug.as_str(), made.description.as_str()), ("first-visit-grosse", "Before the first visit."));
    assert_eq!((made.version, made.published_version, made.published_at), (1, None, None));
    assert!(made.has_unpublished_changes && made.archived_at.is_none());
    assert_eq!((made.faults.len(), made.fields.len()), (0, 0));
    let get = async |actor: &Actor| actor.form_template_get().form_template_id(made.id).send().await;
    for actor in [app.admin(), app.specialist(), app.staff()] {
        assert_eq!(granted(get(&actor).await, 200), made);
        let listed = granted(actor.form_template_list().send().await, 200).data;
        assert_eq!((listed.len(), listed[0].id, listed[0].version), (1, made.id, 1));
    }
    refused(get(&app.patient()).await, 403, "permission_denied");
    refused(app.patient().form_template_list().send().await, 403, "permission_denied");
    let reader = app.program(&[Scope::FormsRead]).await;
    assert_eq!(granted(reader.form_template_get().form_template_id(made.id).send().await, 200), made);
    let other = app.program(&[Scope::AppointmentsRead, Scope::FormsWrite]).await;
    refused(other.form_template_list().send().await, 403, "permission_denied");
    refused(other.form_template_create().body(input("Other", &definition(&[]))).send().await, 403, "permission_denied");
    for actor in [app.specialist(), app.staff(), app.patient()] {
        let create = actor.form_template_create().body(input("Other", &definition(&[])));
        refused(create.send().await, 403, "permission_denied");
        let body = update(&made, "Other", &definition(&[]));
        let update = actor.form_template_update().form_template_id(made.id).body(body);
        refused(update.send().await, 403, "permission_denied");
        refused(actor.form_template_delete().form_template_id(made.id).send().await, 403, "permission_denied");
    }

    let body = update(&made, "Renamed", &definition(&[scale("pain"), scale("fatigue")]));
    let update = admin.form_template_update().form_template_id(made.id).body(body);
    let updated = granted(update.send().await, 200);
    assert_eq!((updated.name.as_str(), updated.description.as_str(), updated.version), ("Renamed", "", 2));
    assert_eq!(updated.slug, made.slug, "links stay when nothing is said of the slug");
    let keys: Vec<_> = updated.definition.sections[0].items.iter().map(|item| item.key.clone()).collect();
    assert_eq!(keys, ["pain", "fatigue"]);
    assert_eq!(granted(get(&admin).await, 200), updated);
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let (admin, other) = (app.admin(), app.other_admin());
    let theirs = create(&other, "Secret form", &definition(&[scale("pain")])).await;
    crate::form_template_publish::publish(&other, &theirs).await;
    let id = theirs.id;
    refused(admin.form_template_get().form_template_id(id).send().await, 404, "form_template_not_found");
    let body = update(&theirs, "Mine", &definition(&[]));
    let update = admin.form_template_update().form_template_id(id).body(body);
    refused(update.send().await, 404, "form_template_not_found");
    refused(admin.form_template_delete().form_template_id(id).send().await, 404, "form_template_not_found");
    let publish = admin.form_template_publish().form_template_id(id);
    let publish = publish.body(crate::form_template_publish::request(&theirs, &[]));
    refused(publish.send().await, 404, "form_template_not_found");
    let versions = admin.form_template_version_list().form_template_id(id);
    refused(versions.send().await, 404, "form_template_not_found");
    let version = admin.form_template_version_get().form_template_id(id).version(1);
    refused(version.send().await, 404, "form_template_version_not_found");
    for version in [Value::Null, json!(1)] {
        let mut body = json!({ "values": {} });
        if !version.is_null() {
            body["version"] = version;
        }
        let preview = admin.request(Method::POST, &format!("/v1/form-templates/{id}/preview")).json(&body);
        Answer::to(preview).await.refusal(404, "form_template_not_found");
    }
    assert_eq!(granted(admin.form_template_list().send().await, 200).data, []);
    // Nor are their name and slug taken, or their custom fields to be referred to.
    assert_eq!(create(&admin, "Secret form", &definition(&[])).await.slug, theirs.slug);
    let field = custom_field(&other, "allergies").await;
    let reaching = create(&admin, "Reach", &definition(&[pinned("allergies", field, 1)])).await;
    assert_eq!(faults(&reaching), [("/definition/sections/0/items/0/field/custom_field", "unknown_reference")]);
    assert_eq!(reaching.fields, []);
}

#[tokio::test]
async fn names_and_slugs_are_unique_among_those_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let empty = definition(&[]);
    let first = create(&admin, "Pain diary", &empty).await;
    let second = create(&admin, "Sleep diary", &empty).await;
    let body = FormTemplateInput { slug: Some("other".to_owned()), ..input("PAIN diáry", &empty) };
    refused(admin.form_template_create().body(body).send().await, 409, "form_template_name_taken");
    let body = FormTemplateInput { slug: Some("pain-diary".to_owned()), ..input("Another", &empty) };
    refused(admin.form_template_create().body(body).send().await, 409, "slug_taken");
    let renamed = admin.form_template_update().form_template_id(second.id).body(update(&second, "Pain Diary", &empty));
    refused(renamed.send().await, 409, "form_template_name_taken");
    assert_eq!(create(&admin, "!", &empty).await.slug, "form");
    granted(admin.form_template_delete().form_template_id(first.id).send().await, 204);
    assert_eq!(create(&admin, "Pain diary", &empty).await.slug, "pain-diary");
}

#[tokio::test]
async fn a_change_from_an_outdated_version_is_refused() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let first = created(&admin).await;
    let second = redraft(&admin, &first, &definition(&[scale("fatigue")])).await;
    let body = update(&first, "Late", &definition(&[scale("late")]));
    let late = admin.form_template_update().form_template_id(first.id).body(body);
    let refusal = refused(late.send().await, 409, "stale_version");
    assert_eq!(refusal.details["version"], 2);
    let publish = admin.form_template_publish().form_template_id(first.id);
    let publish = publish.body(crate::form_template_publish::request(&first, &[]));
    assert_eq!(refused(publish.send().await, 409, "stale_version").details["version"], 2);
    assert_eq!(granted(admin.form_template_get().form_template_id(first.id).send().await, 200), second);
}

#[tokio::test]
async fn a_draft_may_have_faults_which_it_lists() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut item = scale("pain");
    item["visible_if"] = json!({ "op": "equals", "field": "nothing", "value": "1" });
    let faulty = create(&admin, "Faulty", &definition(&[item.clone(), scale("pain")])).await;
    let pointers: Vec<&str> = faulty.faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert!(pointers.contains(&"/definition/sections/0/items/0/visible_if/field"), "{pointers:?}");
    assert!(pointers.contains(&"/definition/sections/0/items/1/key"), "{pointers:?}");
    assert!(faulty.faults.iter().all(|fault| !fault.message.is_empty()));
    let read = granted(app.specialist().form_template_get().form_template_id(faulty.id).send().await, 200);
    assert_eq!(read.faults, faulty.faults);
    assert_eq!(redraft(&admin, &faulty, &definition(&[scale("pain")])).await.faults, []);

    // A value that is none of its type is refused at once, and with it all others.
    let wrong = json!({ "key": "Not a key", "field": { "definition": { "field_type": "colour", "label": "" } } });
    let body = json!({ "name": "Wrong", "definition": definition(&[wrong]) });
    let refusal = Answer::to(admin.request(Method::POST, "/v1/form-templates").json(&body)).await;
    let refusal = refusal.refusal(422, "validation_failed");
    let at = |field: &str| format!("/definition/sections/0/items/0/{field}");
    let pointers: Vec<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    for field in ["key", "field/definition/field_type", "field/definition/label", "field/definition/phi"] {
        assert!(pointers.contains(&at(field).as_str()), "{field}: {pointers:?}");
    }
}

#[tokio::test]
async fn one_with_a_version_is_archived_and_another_is_deleted() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let unused = created(&admin).await;
    let delete = |id: i64| admin.form_template_delete().form_template_id(id).send();
    granted(delete(unused.id).await, 204);
    refused(delete(unused.id).await, 404, "form_template_not_found");

    let used = published(&admin).await;
    granted(delete(used.id).await, 204);
    let get = || admin.form_template_get().form_template_id(used.id).send();
    let archived = granted(get().await, 200);
    assert!(archived.archived_at.is_some());
    assert_eq!(granted(admin.form_template_list().send().await, 200).data, []);
    let listed = granted(admin.form_template_list().archived(true).send().await, 200).data;
    assert_eq!(listed.iter().map(|template| template.id).collect::<Vec<_>>(), [used.id]);
    granted(delete(used.id).await, 204);
    assert_eq!(granted(get().await, 200).archived_at, archived.archived_at, "repeated, it does nothing more");
    let version = admin.form_template_version_get().form_template_id(used.id).version(1).send().await;
    assert_eq!(granted(version, 200).version, 1, "forms of it are finished, so its versions stay readable");
    create(&admin, &used.name, &definition(&[])).await;
}

#[tokio::test]
async fn a_custom_field_that_a_draft_refers_to_is_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let field = custom_field(&admin, "allergies").await;
    let refers = definition(&[pinned("allergies", field, 1)]);
    let template = create(&admin, "Allergies", &refers).await;
    assert_eq!(template.faults, []);
    let [shown] = &template.fields[..] else { panic!("{:?}", template.fields) };
    assert_eq!((shown.custom_field_id, shown.version, shown.key.as_str()), (field, 1, "allergies"));
    let path = format!("/v1/custom-fields/{field}");
    let gone = async || Answer::to(admin.request(Method::GET, &path)).await.status == 404;
    let delete = async || assert_eq!(Answer::to(admin.request(Method::DELETE, &path)).await.status, 204);
    delete().await;
    assert!(!gone().await, "it is archived");

    // A draft with an archived field can't be published, and says so once it is written again.
    let again = redraft(&admin, &template, &refers).await;
    assert_eq!(faults(&again), [("/definition/sections/0/items/0/field/custom_field", "unknown_reference")]);
    assert_eq!(again.fields, template.fields, "editors go on showing it");
    redraft(&admin, &again, &definition(&[scale("pain")])).await;
    delete().await;
    assert!(gone().await, "nothing refers to it any more");
}

#[tokio::test]
async fn a_version_refers_to_custom_fields_that_are_younger_than_its_draft() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let field = custom_field(&admin, "allergies").await;
    let path = format!("/v1/custom-fields/{field}");
    let early = create(&admin, "Allergies", &definition(&[pinned("allergies", field, 2)])).await;
    assert_eq!(faults(&early), [("/definition/sections/0/items/0/field/custom_field", "unknown_reference")]);
    let get = async || Answer::to(admin.request(Method::GET, &path)).await.json(200);
    let mut body = json!({});
    for (name, value) in get().await.as_object().unwrap() {
        if ["version", "definition", "readable_by", "writable_by"].contains(&name.as_str()) {
            body[name] = value.clone();
        }
    }
    body["definition"]["label"] = json!("Allergies and intolerances");
    Answer::to(admin.request(Method::PUT, &path).json(&body)).await.json(200);
    crate::form_template_publish::publish(&admin, &early).await;
    let published = granted(admin.form_template_get().form_template_id(early.id).send().await, 200);
    assert_eq!((published.faults.len(), published.fields.len()), (0, 1), "nor has the draft a fault any more");
    // The draft's references are those of the time when it was saved; the version has its own.
    assert_eq!(Answer::to(admin.request(Method::DELETE, &path)).await.status, 204);
    assert!(get().await["archived_at"].is_string(), "it is archived");
}

#[tokio::test]
async fn fields_of_either_protection_may_begin_with_an_open_value() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    crate::custom_field::field(&admin, "patient", "nickname", json!({})).await;
    let filled = |key: &str, phi: bool| {
        json!({ "key": key, "field": { "prefill": { "profile": "nickname" },
            "definition": { "field_type": "text", "label": key, "phi": phi } } })
    };
    for (name, order) in [("First", [false, true]), ("Second", [true, false])] {
        let items = [filled("one", order[0]), filled("two", order[1])];
        let template = create(&admin, name, &definition(&items)).await;
        assert_eq!(template.faults, []);
        let preview = admin.request(Method::POST, &format!("/v1/form-templates/{}/preview", template.id));
        Answer::to(preview.json(&json!({}))).await.json(200);
    }
}

#[tokio::test]
async fn lists_are_paged_and_sorted_by_name() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in ["beta", "Alpha", "gamma"] {
        create(&admin, name, &definition(&[])).await;
    }
    let names = |page: PageFormTemplateSummary| -> Vec<String> {
        page.data.into_iter().map(|template| template.name).collect()
    };
    let list = || admin.form_template_list();
    assert_eq!(names(granted(list().send().await, 200)), ["Alpha", "beta", "gamma"]);
    assert_eq!(names(granted(list().sort("-name").send().await, 200)), ["gamma", "beta", "Alpha"]);
    let second = granted(list().page(2).page_size(2).send().await, 200);
    assert_eq!((second.meta.total, second.meta.total_pages), (3, 2));
    assert_eq!(names(second), ["gamma"]);
}
