//! `/v1/forms`: forms of patients, which answer a published version of a form template.

use chrono::{TimeDelta, Utc};
use restartix_sdk::{
    Error, ResponseValue,
    core::{
        Client,
        types::{
            CreateForm, CreatePatient, ErrorEnvelope, Form, FormHistoryEntry, FormHistoryKind, FormSort, FormStatus,
            FormTemplate, FormVersionInput, MigrateForm, UpdateForm,
        },
    },
};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, in_days, refused};

use crate::{
    custom_field::{field, field_of},
    form_appointment, form_submit,
    form_template::{created, definition, published, redraft, scale},
    form_template_publish::publish,
    form_void::voided,
    profile::{Of, set},
};

pub(crate) type Answered = Result<ResponseValue<Form>, Error<ErrorEnvelope>>;

/// Returns a field of this type with protected values.
pub(crate) fn item(key: &str, kind: &str) -> Value {
    form_submit::asked(key, kind, true)
}

/// Returns a group of up to 50 medications, each with a name and a dose.
pub(crate) fn medication() -> Value {
    json!({ "key": "medication", "group": {
        "label": "Medication", "max_entries": 50, "items": [item("name", "text"), item("dose", "integer")],
    } })
}

/// Creates a template of any name that asks these items, with one version.
pub(crate) async fn template(admin: &Actor, items: &[Value]) -> FormTemplate {
    form_submit::template(admin, items, &[]).await
}

/// Returns the body that creates a form.
pub(crate) fn of(template: i64, patient: i64) -> CreateForm {
    CreateForm { due_at: None, form_template_id: template, language: None, patient_id: Some(patient) }
}

/// Creates a form.
pub(crate) async fn opened(client: &Client, template: i64, patient: i64) -> Form {
    granted(client.form_create().body(of(template, patient)).send().await, 201)
}

/// Asks for a form.
pub(crate) async fn read(client: &Client, form: i64) -> Answered {
    client.form_get().form_id(form).send().await
}

/// Returns a form as it is now.
pub(crate) async fn now(client: &Client, form: i64) -> Form {
    granted(read(client, form).await, 200)
}

/// Asks to save answers.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) async fn save(client: &Client, form: i64, version: i64, values: Value) -> Answered {
    let body: UpdateForm = serde_json::from_value(json!({ "version": version, "values": values })).unwrap();
    client.form_update().form_id(form).body(body).send().await
}

/// Saves answers.
pub(crate) async fn saved(client: &Client, form: &Form, values: Value) -> Form {
    granted(save(client, form.id, form.version, values).await, 200)
}

/// Asks to submit a form.
pub(crate) async fn submit(client: &Client, form: &Form) -> Answered {
    client.form_submit().form_id(form.id).body(FormVersionInput { version: form.version }).send().await
}

/// Submits a form.
pub(crate) async fn submitted(client: &Client, form: &Form) -> Form {
    granted(submit(client, form).await, 200)
}

/// Asks to move a form to the last version of its template.
pub(crate) async fn migrate(client: &Client, form: &Form) -> Answered {
    let body = MigrateForm { form_template_version: None, version: form.version };
    client.form_migrate().form_id(form.id).body(body).send().await
}

/// Asks to delete a form.
pub(crate) async fn delete(client: &Client, form: i64) -> Result<ResponseValue<()>, Error<ErrorEnvelope>> {
    client.form_delete().form_id(form).send().await
}

/// Returns the changes of a form, the latest first.
pub(crate) async fn history(client: &Client, form: i64) -> Vec<FormHistoryEntry> {
    granted(client.form_history_list().form_id(form).page_size(100).send().await, 200).data
}

/// Gives a patient rows in every table of forms: a draft with an answer for segments and a signature, a form that is
/// void, and one of an appointment; returns their template.
pub(crate) async fn rows_add(app: &CoreApp, admin: &Actor, patient: i64, appointment: i64) -> i64 {
    let template = template(admin, &[scale("pain")]).await.id;
    let draft = opened(admin, template, patient).await.id;
    let void = opened(admin, template, patient).await;
    voided(admin, &void).await;
    form_appointment::asking(admin, &[template]).await;
    form_appointment::attached(admin, appointment, &[template]).await;
    let answer =
        "insert into form_answers (organization_id, form_id, patient_id, form_template_id, key, is_score, number_value)
         select organization_id, id, patient_id, form_template_id, 'pain', false, 3 from forms where id = $1";
    sqlx::query(answer).bind(draft).execute(&mut app.owner().await).await.unwrap();
    let signature = "insert into form_signatures (organization_id, form_id, position, statement, statement_hash,
                                                  signer_user_id, signed_at)
                     select organization_id, id, 1, '{}', sha256('statement'), $2, now() from forms where id = $1";
    let signature = sqlx::query(signature).bind(draft).bind(admin.person().user_id);
    // Nobody but a superuser who turns triggers off signs a draft.
    let mut superuser = app.database.superuser().await;
    sqlx::query("set session_replication_role = replica").execute(&mut superuser).await.unwrap();
    signature.execute(&mut superuser).await.unwrap();
    template
}

/// Returns the answers of a form.
pub(crate) fn values(form: &Form) -> Value {
    Value::Object(form.values.clone())
}

/// Returns the keys of the items that a form asks.
pub(crate) fn asked(form: &Form) -> Vec<&str> {
    let sections = &form.definition.as_ref().expect("the definition comes with it").sections;
    sections.iter().flat_map(|section| &section.items).map(|item| item.key.as_str()).collect()
}

#[tokio::test]
async fn a_form_asks_the_last_published_version_and_is_read_as_it_was_created() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = template(&admin, &[scale("pain")]).await;
    let changed = redraft(&admin, &template, &definition(&[scale("pain"), scale("fatigue")])).await;
    publish(&admin, &changed).await;
    let unpublished = redraft(&admin, &changed, &definition(&[scale("sleep")])).await;
    assert!(unpublished.has_unpublished_changes);
    let due_at = in_days(7, 9);
    let body = CreateForm { due_at: Some(due_at), ..of(template.id, patient) };
    let form = granted(staff.form_create().body(body).send().await, 201);
    assert_eq!((form.status, form.version, form.form_template_version), (FormStatus::Draft, 1, 2));
    assert_eq!((form.patient_id, form.form_template_id, form.name.as_str()), (patient, template.id, &*template.name));
    assert_eq!((form.due_at, form.overdue_at, form.submitted_at, form.signed_at), (Some(due_at), None, None, None));
    assert_eq!((form.appointment_id, form.amends_id, form.amended_by_id, form.voided_at), (None, None, None, None));
    assert_eq!(form.created_by_user_id, Some(app.home().staff.user_id));
    assert_eq!((form.language.as_str(), asked(&form)), ("en", vec!["pain", "fatigue"]));
    assert_eq!((values(&form), form.evaluation.items.len()), (json!({}), 2));
    assert!(form.prefilled.is_empty() && form.changed_in.is_empty() && form.signatures.is_empty());
    assert_eq!((&form.content, &form.content_hash, &form.void_reason), (&None, &None, &None));
    for actor in [&admin, &staff] {
        assert_eq!(now(actor, form.id).await, form);
    }
    assert_ne!(opened(&admin, template.id, patient).await.uid, form.uid, "a patient may have several of a template");
}

#[tokio::test]
async fn a_form_needs_a_published_template_in_use_and_a_patient() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let create = |body: CreateForm| staff.form_create().body(body).send();
    let draft = created(&admin).await.id;
    refused(create(of(draft, patient)).await, 409, "form_template_not_published");
    let gone = published(&admin).await.id;
    granted(admin.form_template_delete().form_template_id(gone).send().await, 204);
    refused(create(of(gone, patient)).await, 409, "form_template_archived");
    let template = published(&admin).await.id;
    for (body, pointer, rule) in [
        (of(template + 1_000, patient), "/form_template_id", "unknown_reference"),
        (of(template, patient + 1_000), "/patient_id", "unknown_reference"),
        (CreateForm { patient_id: None, ..of(template, patient) }, "/patient_id", "required"),
        (CreateForm { due_at: Some(Utc::now() + TimeDelta::days(3_700)), ..of(template, patient) }, "/due_at", "range"),
    ] {
        let refusal = refused(create(body).await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [(pointer, rule)]);
    }
    assert_eq!(app.count("select count(*) from forms").await, 0);
    assert_eq!(app.count("select count(*) from form_changes").await, 0);
}

#[tokio::test]
async fn a_form_begins_with_what_its_creator_may_read_and_names_the_origins() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let record = CreatePatient {
        phone: Some("+49 30 1234567".to_owned()),
        clinical_notes: Some("Nobody's answer.".to_owned()),
        ..CoreApp::new_patient("Ann", "Lee")
    };
    let patient = granted(staff.patient_create().body(record).send().await, 201).id;
    app.appointment_create(&admin, app.home().specialist_id, patient, in_days(1, 9)).await;
    field_of(&admin, "patient", "hand", json!({}), (&["specialist", "staff"], &["specialist", "staff"])).await;
    field_of(&admin, "patient", "medical", json!({ "phi": true }), (&["specialist"], &["specialist"])).await;
    let sealed = field(&admin, "patient", "sealed_later", json!({ "phi": false })).await;
    set(&admin, Of::Patient(patient), 0, json!({ "hand": "left", "medical": "Asthma" })).await;
    let from = |key: &str, kind: &str, source: Value| {
        let mut item = item(key, kind);
        item["field"]["prefill"] = source;
        item
    };
    let mut open = from("open", "text", json!({ "profile": "sealed_later" }));
    open["field"]["definition"]["phi"] = json!(false);
    let items = [
        from("first_name", "text", json!({ "patient": "first_name" })),
        from("phone", "phone", json!({ "patient": "phone" })),
        from("born", "date", json!({ "patient": "date_of_birth" })),
        from("hand", "text", json!({ "profile": "hand" })),
        from("medical", "text", json!({ "profile": "medical" })),
        open,
        scale("pain"),
    ];
    let template = template(&admin, &items).await.id;
    // From now on, its values are more protected than the answer would be.
    let protect = crate::custom_field::update(&admin, &sealed, json!({ "phi": true })).await;
    assert!(protect.definition.phi);
    let profile = crate::profile::get(&admin, Of::Patient(patient)).await.version;
    set(&admin, Of::Patient(patient), profile, json!({ "sealed_later": "Secret" })).await;

    let before = Utc::now() - TimeDelta::seconds(5);
    let by_staff = opened(&staff, template, patient).await;
    let expected = json!({ "first_name": "Ann", "phone": "+49301234567", "hand": "left" });
    assert_eq!(values(&by_staff), expected, "nothing that staff don't read, and nothing that is not there");
    let origin = |form: &Form, key: &str| {
        let from = form.prefilled.get(key).cloned()?;
        assert!(from.at >= before && from.at <= Utc::now() + TimeDelta::seconds(5), "{}", from.at);
        Some((from.patient, from.profile, from.form_id))
    };
    let (of_record, of_profile) = (
        |name: &str| Some((Some(name.to_owned()), None, None)),
        |name: &str| Some((None, Some(name.to_owned()), None)),
    );
    assert_eq!(origin(&by_staff, "first_name"), of_record("first_name"));
    assert_eq!(origin(&by_staff, "phone"), of_record("phone"));
    assert_eq!(origin(&by_staff, "hand"), of_profile("hand"));
    assert_eq!((by_staff.prefilled.len(), by_staff.changed_in.len()), (3, 3));
    assert!(by_staff.changed_in.values().all(|at| *at == 1));
    let filled = &history(&staff, by_staff.id).await[0];
    let mut named = filled.fields.clone();
    named.sort();
    assert_eq!((filled.kind, named.join(",")), (FormHistoryKind::Created, "first_name,hand,phone".to_owned()));

    let by_specialist = opened(&app.specialist(), template, patient).await;
    assert_eq!(origin(&by_specialist, "medical"), of_profile("medical"));
    assert_eq!(by_specialist.values.get("medical"), Some(&json!("Asthma")));
    assert!(!by_specialist.values.contains_key("open"), "a value is nowhere less protected than at its origin");

    // The same is told beforehand, to each as it would be filled in.
    for (actor, form) in [(&staff, &by_staff), (&app.specialist(), &by_specialist)] {
        let told = actor.patient_prefill_get().patient_id(patient).form_template_id(template).send().await;
        let told = granted(told, 200);
        assert_eq!(told.form_template_version, 1);
        let told: serde_json::Map<String, Value> =
            told.values.iter().map(|(key, told)| (key.clone(), told.value.clone())).collect();
        assert_eq!(Value::Object(told), values(form));
    }

    // An answer that somebody changed has no origin any more; and nothing is ever filled in again.
    let changed = saved(&staff, &by_staff, json!({ "hand": "right", "phone": null })).await;
    assert_eq!(changed.prefilled.keys().collect::<Vec<_>>(), ["first_name"]);
    let version = crate::profile::get(&admin, Of::Patient(patient)).await.version;
    set(&admin, Of::Patient(patient), version, json!({ "hand": "both" })).await;
    let later = now(&staff, by_staff.id).await;
    assert_eq!(values(&later), json!({ "first_name": "Ann", "hand": "right" }));
}

#[tokio::test]
async fn lists_are_filtered_by_everything_that_a_form_belongs_to() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Other").await.id;
    let first = template(&admin, &[scale("pain")]).await;
    let second = template(&admin, &[scale("sleep")]).await.id;
    let old = opened(&staff, first.id, ann).await;
    let next = redraft(&admin, &first, &definition(&[scale("pain"), scale("fatigue")])).await;
    publish(&admin, &next).await;
    let new = opened(&staff, first.id, ann).await.id;
    let other = opened(&staff, second, ann).await.id;
    let toms = opened(&staff, first.id, tom).await.id;
    let old = submitted(&staff, &old).await;
    let list = || staff.form_list();
    let ids =
        |page: restartix_sdk::core::types::PageFormSummary| page.data.iter().map(|form| form.id).collect::<Vec<_>>();
    assert_eq!(ids(granted(list().send().await, 200)), [toms, other, new, old.id], "the latest first");
    let ascending = list().sort("created_at".parse::<FormSort>().unwrap());
    assert_eq!(ids(granted(ascending.send().await, 200)), [old.id, new, other, toms]);
    assert_eq!(ids(granted(list().patient_id(ann).send().await, 200)), [other, new, old.id]);
    assert_eq!(ids(granted(list().form_template_id(first.id).send().await, 200)), [toms, new, old.id]);
    let of_version = list().form_template_id(first.id).form_template_version(1);
    assert_eq!(ids(granted(of_version.send().await, 200)), [old.id]);
    assert_eq!(ids(granted(list().status(FormStatus::Submitted).send().await, 200)), [old.id]);
    assert_eq!(ids(granted(list().status(FormStatus::Draft).send().await, 200)), [toms, other, new]);
    assert_eq!(ids(granted(list().status(FormStatus::Void).send().await, 200)), [0; 0]);
    let all = list().patient_id(ann).form_template_id(first.id).status(FormStatus::Draft);
    assert_eq!(ids(granted(all.send().await, 200)), [new]);
    let page = granted(list().page(2).page_size(3).send().await, 200);
    assert_eq!((page.meta.total, ids(page)), (4, vec![old.id]));
    let shown = granted(list().status(FormStatus::Submitted).send().await, 200).data.remove(0);
    assert_eq!((shown.uid, shown.name.as_str(), shown.version), (old.uid, &*first.name, old.version));
    assert_eq!((shown.submitted_at, shown.patient_id), (old.submitted_at, ann));
}

#[tokio::test]
async fn only_drafts_are_deleted_and_a_patient_deletes_only_its_own_making() {
    let app = CoreApp::start().await;
    let (admin, staff, me) = (app.admin(), app.staff(), app.patient());
    let patient = app.patient_record().await.id;
    let template = template(&admin, &[scale("pain")]).await.id;
    let draft = opened(&staff, template, patient).await;
    let draft = saved(&staff, &draft, json!({ "pain": 3 })).await;
    granted(delete(&staff, draft.id).await, 204);
    refused(delete(&staff, draft.id).await, 404, "form_not_found");
    refused(read(&staff, draft.id).await, 404, "form_not_found");
    assert_eq!(app.count("select count(*) from form_changes").await, 0, "its history goes with it");

    let whole = submitted(&staff, &opened(&staff, template, patient).await).await;
    refused(delete(&staff, whole.id).await, 409, "form_not_draft");
    let given = opened(&staff, template, patient).await;
    // The clinic wants it answered.
    refused(delete(&me, given.id).await, 403, "form_deletion_forbidden");
    assert_eq!(now(&me, given.id).await, given);
    let own = granted(me.form_create().body(CreateForm { patient_id: None, ..of(template, 0) }).send().await, 201);
    assert_eq!((own.patient_id, own.created_by_user_id), (patient, Some(app.home().patient.user_id)));
    granted(delete(&me, own.id).await, 204);
    let left = granted(staff.form_list().send().await, 200).data;
    assert_eq!(left.iter().map(|form| form.id).collect::<Vec<_>>(), [given.id, whole.id]);
}

#[tokio::test]
async fn a_form_is_asked_in_its_language_or_the_readers() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut pain = scale("pain");
    pain["field"]["definition"]["translations"] = json!([
        { "language": "ro", "label": "Durere" }, { "language": "de", "label": "Schmerz" },
    ]);
    let template = template(&admin, &[pain]).await.id;
    let label = |form: &Form| {
        let definition = form.definition.as_ref().unwrap();
        definition.sections[0].items[0].field.as_ref().unwrap().definition.as_ref().unwrap().label.clone()
    };
    let body = CreateForm { language: Some("ro".to_owned()), ..of(template, patient) };
    let form = granted(staff.form_create().body(body).send().await, 201);
    assert_eq!((form.language.as_str(), label(&form).as_str()), ("ro", "Durere"));
    let asked = async |language: &str| {
        granted(staff.form_get().form_id(form.id).language(language.to_owned()).send().await, 200)
    };
    let in_german = asked("de-AT").await;
    assert_eq!((in_german.language.as_str(), label(&in_german).as_str()), ("ro", "Schmerz"));
    assert_eq!(label(&asked("fr").await), "pain", "without a translation, it is the template's own");
    let body: UpdateForm = serde_json::from_value(json!({ "version": form.version, "language": "de" })).unwrap();
    let changed = granted(staff.form_update().form_id(form.id).body(body).send().await, 200);
    assert_eq!((changed.language.as_str(), changed.version, changed.definition), ("de", 2, None));
    assert_eq!(label(&now(&staff, form.id).await), "Schmerz");
}
