//! `/v1/form-templates/{id}/publish` and the versions that it makes, which never change.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use restartix_sdk::core::types::{FormTemplate, FormTemplatePublication, PublishFormTemplate, Scope};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{Actor, Answer, CoreApp, granted, refused};

use crate::{
    audit::{Row, Trail},
    form_template::{
        create, created, custom_field, definition, pinned, published, published_with_field, redraft, scale,
    },
};

/// Returns the body that publishes the draft of a template, with these scores cleared.
pub(crate) fn request(template: &FormTemplate, cleared: &[&str]) -> PublishFormTemplate {
    serde_json::from_value(json!({ "version": template.version, "clear_phi": cleared })).unwrap()
}

/// Publishes the draft of a template.
pub(crate) async fn publish(admin: &Actor, template: &FormTemplate) -> FormTemplatePublication {
    publish_clearing(admin, template, &[]).await
}

async fn publish_clearing(admin: &Actor, template: &FormTemplate, cleared: &[&str]) -> FormTemplatePublication {
    let publish = admin.form_template_publish().form_template_id(template.id).body(request(template, cleared));
    granted(publish.send().await, 201)
}

/// Returns a version as it is answered.
async fn version(actor: &Actor, template: i64, version: i32) -> Value {
    let path = format!("/v1/form-templates/{template}/versions/{version}");
    Answer::to(actor.request(reqwest::Method::GET, &path)).await.json(200)
}

/// Returns the SHA-256 of a document in the canonical form of RFC 8785. The documents contain no number that is not
/// whole, so its only rules are the order of the keys and the escapes of texts.
pub(crate) fn hash(document: &Value) -> String {
    fn canonical(value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                // By UTF-16 code units, as JavaScript compares texts.
                let fields: BTreeMap<Vec<u16>, (&String, &Value)> =
                    fields.iter().map(|field| (field.0.encode_utf16().collect(), field)).collect();
                let written = fields.values().map(|(key, value)| format!("{}:{}", json!(key), canonical(value)));
                format!("{{{}}}", written.collect::<Vec<_>>().join(","))
            }
            Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
            other => other.to_string(),
        }
    }
    hex::encode(Sha256::digest(canonical(document)))
}

/// Returns a mean of fields.
fn mean(key: &str, inputs: &[&str]) -> Value {
    let inputs: Vec<Value> = inputs.iter().map(|key| json!({ "key": key })).collect();
    json!({ "key": key, "score": { "label": key, "formula": "mean", "inputs": inputs } })
}

#[tokio::test]
async fn publishing_freezes_the_draft_under_its_hash() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut pain = scale("pain");
    pain["field"]["definition"]["label"] = json!("Durere „acută” 😀 \\ \"now\"");
    let first = create(&admin, "Pain", &definition(&[pain])).await;
    let made = publish(&admin, &first).await;
    assert_eq!((made.form_template_id, made.version, made.changes.len()), (first.id, 1, 0));
    let template = granted(admin.form_template_get().form_template_id(first.id).send().await, 200);
    assert_eq!((template.version, template.published_version), (first.version, Some(1)), "that is no change");
    assert_eq!(template.published_at, Some(made.published_at));
    assert!(!template.has_unpublished_changes);
    let frozen = version(&app.staff(), first.id, 1).await;
    assert_eq!(frozen["content_hash"], json!(made.content_hash));
    assert_eq!(hash(&frozen["content"]), made.content_hash);
    let shown = admin.request(reqwest::Method::GET, &format!("/v1/form-templates/{}", first.id));
    assert_eq!(frozen["content"]["definition"], Answer::to(shown).await.json(200)["definition"]);

    // The draft goes on; the version stays.
    let changed = redraft(&admin, &template, &definition(&[scale("pain"), scale("fatigue")])).await;
    assert!(changed.has_unpublished_changes);
    assert_eq!(version(&admin, first.id, 1).await, frozen);
    let second = publish(&admin, &changed).await;
    assert_eq!(second.version, 2);
    assert!(!second.changes.is_empty(), "it says what has changed");
    assert_eq!(version(&admin, first.id, 1).await, frozen);
    assert_eq!(hash(&version(&admin, first.id, 2).await["content"]), second.content_hash);

    let specialist = app.specialist();
    let list = || specialist.form_template_version_list().form_template_id(first.id);
    let page = granted(list().send().await, 200);
    let listed: Vec<_> = page.data.iter().map(|version| (version.version, version.content_hash.as_str())).collect();
    assert_eq!(listed, [(2, second.content_hash.as_str()), (1, made.content_hash.as_str())], "the last one first");
    let page = granted(list().page(2).page_size(1).send().await, 200);
    assert_eq!((page.meta.total, page.data[0].version), (2, 1));
    let unknown = admin.form_template_version_get().form_template_id(first.id).version(3);
    refused(unknown.send().await, 404, "form_template_version_not_found");
    let unpublished = created(&admin).await.id;
    let none = granted(admin.form_template_version_list().form_template_id(unpublished).send().await, 200);
    assert_eq!(none.data, []);
}

#[tokio::test]
async fn an_unchanged_draft_is_nothing_to_publish() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = published(&admin).await;
    let again = async |template: &FormTemplate| {
        let publish = admin.form_template_publish().form_template_id(template.id).body(request(template, &[]));
        let refusal = refused(publish.send().await, 409, "nothing_to_publish");
        assert_eq!(refusal.details["published_version"], 1);
    };
    again(&template).await;
    // Written again, or changed and changed back, it is the same.
    let same = redraft(&admin, &template, &definition(&[scale("pain")])).await;
    assert!(!same.has_unpublished_changes);
    again(&same).await;
    let other = redraft(&admin, &same, &definition(&[scale("fatigue")])).await;
    again(&redraft(&admin, &other, &definition(&[scale("pain")])).await).await;
    let versions = admin.form_template_version_list().form_template_id(template.id);
    assert_eq!(granted(versions.send().await, 200).meta.total, 1);
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let visible = |mut item: Value, field: &str| {
        item["visible_if"] = json!({ "op": "greater", "field": field, "value": "3" });
        item
    };
    let items = [
        visible(scale("pain"), "fatigue"),
        visible(scale("fatigue"), "sleep"),
        visible(scale("sleep"), "pain"),
        visible(scale("mood"), "nothing"),
        pinned("allergies", 4_711, 1),
        scale("mood"),
        mean("total", &["pain", "advice"]),
    ];
    let template = create(&admin, "Faulty", &definition(&items)).await;
    let publish = admin.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
    let refusal = refused(publish.send().await, 422, "validation_failed");
    let at = |item: usize, rest: &str| format!("/definition/sections/0/items/{item}/{rest}");
    let found = refusal.fields();
    for (pointer, rule) in [
        (at(3, "visible_if/field"), "unknown_reference"),
        (at(4, "field/custom_field"), "unknown_reference"),
        (at(5, "key"), "repeated"),
        (at(6, "score/inputs/1/key"), "unknown_reference"),
    ] {
        assert!(found.contains(&(pointer.as_str(), rule)), "{pointer} {rule}: {found:#?}");
    }
    let cycles: Vec<&Value> = refusal.details["fields"].as_array().unwrap().iter().collect();
    let cycle = cycles.iter().find(|fault| fault["rule"] == "cycle").expect("the cycle is found");
    let message = cycle["message"].as_str().unwrap();
    for key in ["pain", "fatigue", "sleep"] {
        assert!(message.contains(key), "the cycle is named by its keys: {message}");
    }
    // The template says the same before it is published.
    let shown: Vec<_> = template.faults.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect();
    assert!(found.iter().all(|fault| shown.contains(fault)), "{shown:#?}");
    let versions = admin.form_template_version_list().form_template_id(template.id);
    assert_eq!(granted(versions.send().await, 200).data, []);
}

#[tokio::test]
async fn only_administrators_publish_and_only_what_is_in_use() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = published(&admin).await;
    let template = redraft(&admin, &template, &definition(&[scale("fatigue")])).await;
    for actor in [app.specialist(), app.staff(), app.patient()] {
        let publish = actor.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
        refused(publish.send().await, 403, "permission_denied");
    }
    let program = app.program(&[Scope::FormsRead, Scope::FormsWrite]).await;
    let publish = program.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
    refused(publish.send().await, 403, "permission_denied");
    let versions = program.form_template_version_list().form_template_id(template.id);
    assert_eq!(granted(versions.send().await, 200).meta.total, 1);
    let patient = app.patient();
    let versions = patient.form_template_version_list().form_template_id(template.id);
    refused(versions.send().await, 403, "permission_denied");
    granted(admin.form_template_delete().form_template_id(template.id).send().await, 204);
    let publish = admin.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
    refused(publish.send().await, 409, "form_template_archived");
}

/// Runs a statement; returns the number of its rows, or PostgreSQL's error code.
pub(crate) async fn run(database: &mut PgConnection, sql: &str) -> Result<u64, String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(database).await;
    done.map(|done| done.rows_affected()).map_err(|error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.unwrap_or_else(|| panic!("{sql}: {error}")).into_owned()
    })
}

#[tokio::test]
async fn a_version_is_changed_by_nobody() {
    const DENIED: &str = "42501";
    const FROZEN: &str = "23001";
    let app = CoreApp::start().await;
    let admin = app.admin();
    let id = published_with_field(&admin).await.id;
    let frozen = version(&admin, id, 1).await;

    // No operation changes one.
    let path = format!("/v1/form-templates/{id}/versions/1");
    for method in [reqwest::Method::PUT, reqwest::Method::PATCH, reqwest::Method::DELETE] {
        Answer::to(admin.request(method, &path).json(&json!({}))).await.refusal(405, "method_not_allowed");
    }

    // Nor does SQL, as the role of the service in an administrator's context or in none, as the owner, or a superuser.
    let (mut role, mut owner, mut superuser) =
        (app.database.app().await, app.owner().await, app.database.superuser().await);
    let changes = [
        "update form_template_versions set content = '{}'",
        "update form_template_versions set version = 2",
        "update form_template_versions set version = null, content_hash = null, published_at = null",
        "delete from form_template_versions",
        "update form_template_version_fields set custom_field_version = custom_field_version",
        "delete from form_template_version_fields",
    ];
    for sql in changes {
        assert_eq!(run(&mut role, sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    let (home, user) = (app.home().id, app.home().admin.user_id);
    let enter = format!(
        "select set_config('app.current_org_id', '{home}', false), set_config('app.current_user_id', '{user}', false),
                set_config('app.current_role', 'admin', false)"
    );
    run(&mut role, &enter).await.unwrap();
    assert_eq!(run(&mut role, "select from form_template_versions").await, Ok(1), "it is there");
    for sql in changes {
        assert_eq!(run(&mut role, sql).await, Err(DENIED.to_owned()), "{sql}");
        for database in [&mut owner, &mut superuser] {
            assert_eq!(run(database, sql).await, Err(FROZEN.to_owned()), "{sql}");
        }
    }
    for table in ["form_template_version_fields", "form_template_versions, form_template_version_fields"] {
        for database in [&mut owner, &mut superuser] {
            assert_eq!(run(database, &format!("truncate {table} cascade")).await, Err(FROZEN.to_owned()), "{table}");
        }
    }
    for sql in ["delete from form_templates", "delete from custom_fields"] {
        let outcome = run(&mut owner, sql).await;
        assert!(outcome == Err("23503".to_owned()) || outcome == Err(FROZEN.to_owned()), "{sql}: {outcome:?}");
    }
    assert_eq!(version(&admin, id, 1).await, frozen);
}

#[tokio::test]
async fn of_two_who_publish_at_once_one_does() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for round in 0..5 {
        let template = created(&admin).await;
        let publishing = (0..8).map(|_| {
            let publish = admin.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
            publish.send()
        });
        let answers = join_all(publishing).await;
        let (done, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 1, "round {round}: {done:?}");
        for other in others {
            refused(other, 409, "nothing_to_publish");
        }
        let versions = admin.form_template_version_list().form_template_id(template.id).send().await;
        assert_eq!(granted(versions, 200).data.iter().map(|version| version.version).collect::<Vec<_>>(), [1]);
    }
}

#[tokio::test]
async fn what_is_published_is_what_was_read_even_if_somebody_writes_meanwhile() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for round in 0..10 {
        let template = created(&admin).await;
        let (changed, fresh) = (definition(&[scale("changed")]), definition(&[scale("pain")]));
        let body = crate::form_template::update(&template, &template.name, &changed);
        let update = admin.form_template_update().form_template_id(template.id).body(body);
        let publish = admin.form_template_publish().form_template_id(template.id).body(request(&template, &[]));
        let (updated, published) = tokio::join!(update.send(), publish.send());
        granted(updated, 200);
        match published {
            Ok(_) => {
                let frozen = version(&admin, template.id, 1).await;
                let key = &frozen["content"]["definition"]["sections"][0]["items"][0]["key"];
                assert_eq!(*key, fresh["sections"][0]["items"][0]["key"], "round {round}");
            }
            Err(_) => drop(refused(published, 409, "stale_version")),
        }
    }
}

#[tokio::test]
async fn a_custom_field_is_published_as_it_was_shown() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let field = custom_field(&admin, "allergies").await;
    let template = create(&admin, "Allergies", &definition(&[pinned("allergies", field, 1)])).await;
    publish(&admin, &template).await;
    let frozen = version(&admin, template.id, 1).await;
    let shown = &frozen["content"]["fields"][0];
    assert_eq!((&shown["custom_field_id"], &shown["version"]), (&json!(field), &json!(1)));
    assert_eq!(shown["definition"]["label"], "allergies");

    // Its next version changes no form; a draft chooses it by its number.
    let path = format!("/v1/custom-fields/{field}");
    let standing = Answer::to(admin.request(reqwest::Method::GET, &path)).await.json(200);
    let mut body = json!({
        "version": standing["version"],
        "definition": standing["definition"],
        "readable_by": standing["readable_by"],
        "writable_by": standing["writable_by"],
    });
    body["definition"]["label"] = json!("Allergies and intolerances");
    Answer::to(admin.request(reqwest::Method::PUT, &path).json(&body)).await.json(200);
    assert_eq!(version(&admin, template.id, 1).await, frozen);
    let next = redraft(&admin, &template, &definition(&[pinned("allergies", field, 2)])).await;
    assert_eq!(publish(&admin, &next).await.version, 2);
    let second = version(&admin, template.id, 2).await;
    assert_eq!(second["content"]["fields"][0]["definition"]["label"], "Allergies and intolerances");

    // Deleted, it is archived; both versions and the draft keep it.
    assert_eq!(Answer::to(admin.request(reqwest::Method::DELETE, &path)).await.status, 204);
    assert!(Answer::to(admin.request(reqwest::Method::GET, &path)).await.json(200)["archived_at"].is_string());
    assert_eq!(version(&admin, template.id, 1).await, frozen);
    assert_eq!(version(&admin, template.id, 2).await, second);
    // A publication finds fields that have been archived since the draft was written.
    let more = redraft(&admin, &next, &definition(&[pinned("allergies", field, 2), scale("pain")])).await;
    let publish = admin.form_template_publish().form_template_id(template.id).body(request(&more, &[]));
    let refusal = refused(publish.send().await, 422, "validation_failed");
    let pointer = "/definition/sections/0/items/0/field/custom_field";
    assert_eq!(refusal.fields(), [(pointer, "unknown_reference")]);
}

#[tokio::test]
async fn a_score_is_cleared_by_an_administrator_and_the_trail_names_it() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut room = scale("room");
    room["field"]["definition"]["phi"] = json!(false);
    let items = [scale("pain"), room, mean("total", &["pain"]), mean("comfort", &["room"])];
    let template = create(&admin, "Scores", &definition(&items)).await;
    let clear = |cleared: &[&str]| {
        admin.form_template_publish().form_template_id(template.id).body(request(&template, cleared)).send()
    };
    let refusal = refused(clear(&["total", "comfort", "pain", "nothing"]).await, 422, "validation_failed");
    let expected = [
        ("/clear_phi/1", "not_applicable"),
        ("/clear_phi/2", "unknown_reference"),
        ("/clear_phi/3", "unknown_reference"),
    ];
    assert_eq!(refusal.fields(), expected);

    let mut trail = Trail::new(&app).await;
    trail.next().await;
    publish_clearing(&admin, &template, &["total", "total"]).await;
    // The entry of the refused request is written in the background, perhaps only now.
    let published = |row: &Row| row.operation_id == "form_template_publish" && row.outcome == "succeeded";
    let said: Vec<_> = trail.next().await.into_iter().filter(published).collect();
    let said: Vec<_> = said
        .iter()
        .map(|row| (row.entity_type.as_str(), row.action.as_str(), row.entity_id.clone().unwrap_or_default()))
        .collect();
    let expected = [
        ("form_template", "published", template.id.to_string()),
        ("form_score", "phi_cleared", format!("{}:total", template.id)),
    ];
    assert_eq!(said, expected);
    assert_eq!(version(&admin, template.id, 1).await["content"]["phi_cleared"], json!(["total"]));

    // It applies to that version alone: published again without it, the score is protected again.
    assert_eq!(publish(&admin, &template).await.version, 2);
    assert_eq!(version(&admin, template.id, 2).await["content"]["phi_cleared"], json!([]));
}

#[tokio::test]
async fn writes_leave_their_events() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut trail = Trail::new(&app).await;
    let template = created(&admin).await;
    redraft(&admin, &template, &definition(&[scale("fatigue")])).await;
    granted(admin.form_template_delete().form_template_id(template.id).send().await, 204);
    let rows: Vec<_> =
        trail.next().await.into_iter().filter(|row| row.operation_id.starts_with("form_template_")).collect();
    let said: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.changed_fields.join(","))).collect();
    assert_eq!(said, [("created", String::new()), ("updated", "definition".to_owned()), ("deleted", String::new())]);
    assert!(rows.iter().all(|row| row.entity_id.as_deref() == Some(template.id.to_string().as_str())));
}
