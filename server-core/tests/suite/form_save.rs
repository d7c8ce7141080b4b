//! Saves of forms: partial, by the ids of entries, and without losing what is hidden.

use restartix_sdk::core::types::{Form, FormHistoryKind, FormStatus, UpdateForm};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, refused};
use uuid::Uuid;

use crate::{
    audit::Trail,
    form::{history, item, medication, now, opened, save, saved, submitted, template, values},
    form_template::scale,
};

/// Clinic with a form of a patient.
struct Opened {
    app: CoreApp,
    staff: Actor,
    form: Form,
}

async fn form_of(items: &[Value]) -> Opened {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = template(&app.admin(), items).await.id;
    let form = opened(&staff, template, patient).await;
    Opened { app, staff, form }
}

/// Returns the body that names this entry alone.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn entry(id: Uuid, value: Value) -> Value {
    json!({ "medication": { id.to_string(): value } })
}

/// Returns the ids of the medications in their order.
fn entries(form: &Form) -> Vec<String> {
    let entries = form.values.get("medication").and_then(Value::as_array).cloned().unwrap_or_default();
    entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns a field that is visible from a pain of 4 on.
fn if_in_pain(mut item: Value) -> Value {
    item["visible_if"] = json!({ "op": "greater_or_equal", "field": "pain", "value": 4 });
    item
}

#[tokio::test]
async fn a_save_merges_what_it_names_and_null_clears() {
    let Opened { app: _app, staff, form } =
        form_of(&[scale("pain"), item("note", "text"), item("since", "date")]).await;
    let first = saved(&staff, &form, json!({ "pain": 3, "note": "Worse" })).await;
    assert_eq!((first.version, values(&first)), (2, json!({ "pain": 3, "note": "Worse" })));
    let second = saved(&staff, &first, json!({ "note": null, "since": "2026-01-31" })).await;
    assert_eq!((second.version, values(&second)), (3, json!({ "pain": 3, "since": "2026-01-31" })));
    assert_eq!(second.changed_in.get("pain"), Some(&2));
    assert_eq!(second.changed_in.get("since"), Some(&3));
    assert_eq!(second.status, FormStatus::Draft);
    assert!(second.definition.is_none() && first.updated_at <= second.updated_at);
    let read = now(&staff, form.id).await;
    assert!(read.definition.is_some());
    assert_eq!(Form { definition: None, ..read }, second, "a save answers what is stored");
}

#[tokio::test]
async fn an_answer_of_each_type_comes_back_as_it_was_sent() {
    let choices = json!([{ "key": "left", "label": "Left" }, { "key": "right", "label": "Right" }]);
    let given = json!({
        "text": "a line", "long_text": "two\nlines", "integer": 730_021, "decimal": "730022.25", "boolean": false,
        "date": "1931-07-23", "time": "03:17:29", "datetime": "1931-07-23T03:17:29.700181+00:00",
        "single_choice": "right", "multiple_choice": ["left", "right"], "scale": 7, "email": "ann@example.org",
        "phone": "+495550199887",
    });
    let mut items = Vec::new();
    let mut sent = serde_json::Map::new();
    for phi in [false, true] {
        for (kind, value) in given.as_object().unwrap() {
            let key = format!("{kind}_{}", if phi { "sealed" } else { "clear" });
            let mut item = item(&key, kind);
            item["field"]["definition"]["phi"] = json!(phi);
            if kind.ends_with("_choice") {
                item["field"]["definition"]["options"] = choices.clone();
            }
            items.push(item);
            sent.insert(key, value.clone());
        }
    }
    let Opened { app, staff, form } = form_of(&items).await;
    let sent = Value::Object(sent);
    let form = saved(&staff, &form, sent.clone()).await;
    assert_eq!(values(&form), sent);
    assert_eq!(values(&now(&app.admin(), form.id).await), sent);
    assert_eq!(Value::Object(form.evaluation.kept_answers.clone()), sent, "as a preview keeps them");
    let whole = submitted(&staff, &form).await;
    assert_eq!(values(&whole), sent);
}

#[tokio::test]
async fn what_is_hidden_stays_in_the_draft_and_returns_as_it_was() {
    let items = [scale("pain"), if_in_pain(item("cause", "text")), if_in_pain(medication())];
    let Opened { app: _app, staff, form } = form_of(&items).await;
    let id = Uuid::new_v4();
    let answers = json!({ "pain": 7, "cause": "Fall", "medication": { id.to_string(): { "name": "A", "dose": 2 } } });
    let shown = saved(&staff, &form, answers).await;
    assert_eq!(shown.evaluation.hidden_answers, [""; 0]);
    let hidden = saved(&staff, &shown, json!({ "pain": 2 })).await;
    assert_eq!(values(&hidden)["cause"], "Fall");
    let mut named = hidden.evaluation.hidden_answers.clone();
    named.sort();
    assert_eq!(named, ["/values/cause", "/values/medication"]);
    assert_eq!(Value::Object(hidden.evaluation.kept_answers.clone()), json!({ "pain": 2 }));
    let reloaded = now(&staff, form.id).await;
    assert_eq!(values(&reloaded), values(&hidden), "a reload loses nothing");
    // Also what is hidden can be written.
    let written = saved(&staff, &reloaded, entry(id, json!({ "dose": 3 }))).await;
    let again = saved(&staff, &written, json!({ "pain": 7 })).await;
    let expected = json!({
        "pain": 7, "cause": "Fall", "medication": [{ "id": id, "name": "A", "dose": 3 }],
    });
    assert_eq!(values(&again), expected);
    assert_eq!(again.evaluation.hidden_answers, [""; 0]);
    let cause = |form: &Form| form.changed_in.get("cause").copied();
    assert_eq!(cause(&again), cause(&shown), "nobody has changed it");

    // The submission drops hidden answers, and the history names them.
    let hidden = saved(&staff, &again, json!({ "pain": 1 })).await;
    let whole = submitted(&staff, &hidden).await;
    assert_eq!(values(&whole), json!({ "pain": 1 }));
    let submission = &history(&staff, form.id).await[0];
    assert_eq!(submission.kind, FormHistoryKind::Submitted);
    assert!(submission.fields.iter().any(|field| field == "cause"), "{:?}", submission.fields);
}

#[tokio::test]
async fn deleting_one_entry_while_another_is_saved_touches_just_these() {
    let Opened { app, staff, form } = form_of(&[medication(), scale("pain")]).await;
    let other = app.admin();
    let [a, b, c] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let mut base = form;
    for (id, name) in [(a, "A"), (b, "B"), (c, "C")] {
        base = saved(&staff, &base, entry(id, json!({ "name": name, "dose": 1 }))).await;
    }
    assert_eq!(entries(&base), [a, b, c].map(|id| id.to_string()), "a new one is the last");
    let deleted = saved(&staff, &base, entry(b, Value::Null)).await;
    assert_eq!(entries(&deleted), [a, c].map(|id| id.to_string()));
    // Based on the same version, another client still shows B.
    let written = saved(&other, &base, entry(c, json!({ "dose": 5 }))).await;
    let expected = json!([{ "id": a, "name": "A", "dose": 1 }, { "id": c, "name": "C", "dose": 5 }]);
    assert_eq!(values(&written)["medication"], expected);
    let told = history(&staff, written.id).await;
    assert_eq!(told[0].fields, [format!("medication/{c}/dose")]);
    assert!(told[1].fields.iter().all(|field| field.starts_with(&format!("medication/{b}"))), "{:?}", told[1].fields);
    assert!(!told[1].fields.is_empty());

    // A deleted entry takes no answer of somebody who does not know that; nor does it come back.
    let place = |id: Uuid| format!("medication/{id}");
    let late = refused(save(&other, base.id, base.version, entry(b, json!({ "dose": 9 }))).await, 409, "stale_version");
    assert_eq!(late.details["version"], written.version);
    let keys = late.details["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.as_str().unwrap().starts_with(&place(b))) && !keys.is_empty(), "{keys:?}");
    // Nor is an entry deleted by somebody who does not know its answers.
    let blind = refused(save(&staff, base.id, base.version, entry(c, Value::Null)).await, 409, "stale_version");
    let keys = blind.details["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key.as_str().unwrap().starts_with(&place(c))) && !keys.is_empty(), "{keys:?}");
    let again = saved(&staff, &base, entry(b, Value::Null)).await;
    assert_eq!((again.version, values(&again)), (written.version, values(&written)), "two who delete it agree");
}

#[tokio::test]
async fn a_write_into_an_entry_that_was_deleted_is_a_conflict_also_when_the_group_is_full() {
    let mut few = medication();
    few["group"]["max_entries"] = json!(2);
    let Opened { app, staff, form } = form_of(&[few]).await;
    let [a, b, c] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let base = saved(&staff, &form, entry(a, json!({ "name": "A" }))).await;
    let base = saved(&staff, &base, entry(b, json!({ "name": "B" }))).await;
    let deleted = saved(&app.admin(), &base, entry(a, Value::Null)).await;
    let full = saved(&app.admin(), &deleted, entry(c, json!({ "name": "C" }))).await;
    let late = save(&staff, base.id, base.version, entry(a, json!({ "dose": 1 }))).await;
    let late = refused(late, 409, "stale_version");
    assert_eq!(late.details, json!({ "version": full.version, "keys": [format!("medication/{a}/dose")] }));
}

#[tokio::test]
async fn the_trail_takes_a_save_of_more_answers_than_an_entry_names() {
    let items: Vec<Value> = (0..200).map(|at| item(&format!("item_{at}"), "integer")).collect();
    let Opened { app, staff, form } = form_of(&items).await;
    let all: Value = (0..200).map(|at| (format!("item_{at}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let body: UpdateForm = serde_json::from_value(json!({ "version": 1, "values": all, "language": "de" })).unwrap();
    granted(staff.form_update().form_id(form.id).body(body).send().await, 200);
    let rows: Vec<_> = trail.next().await.into_iter().filter(|row| row.action == "saved").collect();
    assert_eq!(rows.iter().map(|row| row.changed_fields.join(",")).collect::<Vec<_>>(), ["values,language"]);
    assert_eq!(history(&staff, form.id).await[0].fields.len(), 200, "the history names all of them");
}

#[tokio::test]
async fn an_entry_leaves_only_by_an_explicit_delete() {
    let Opened { app: _app, staff, form } = form_of(&[scale("pain"), if_in_pain(medication())]).await;
    let [a, b] = [Uuid::new_v4(), Uuid::new_v4()];
    let form = saved(&staff, &form, json!({ "pain": 8 })).await;
    let form = saved(&staff, &form, entry(a, json!({ "name": "A", "dose": 1 }))).await;
    let form = saved(&staff, &form, entry(b, json!({ "name": "B" }))).await;
    // An empty entry stays one.
    let emptied = saved(&staff, &form, entry(a, json!({ "name": null, "dose": null }))).await;
    assert_eq!(values(&emptied)["medication"], json!([{ "id": a }, { "id": b, "name": "B" }]));
    // One that is not named stays, and so does a group of which nothing is named.
    let named = saved(&staff, &emptied, entry(b, json!({ "dose": 2 }))).await;
    let nothing = saved(&staff, &named, json!({ "medication": {}, "pain": 9 })).await;
    assert_eq!(entries(&nothing), [a, b].map(|id| id.to_string()));
    let hidden = saved(&staff, &nothing, json!({ "pain": 0 })).await;
    assert_eq!(entries(&hidden).len(), 2);
    let fewer = saved(&staff, &hidden, entry(a, Value::Null)).await;
    assert_eq!(values(&fewer)["medication"], json!([{ "id": b, "name": "B", "dose": 2 }]));
    // Deleting what is not there is no change.
    let none = saved(&staff, &fewer, entry(Uuid::new_v4(), Value::Null)).await;
    assert_eq!(none.version, fewer.version);
}

#[tokio::test]
async fn every_fault_of_a_save_is_reported_at_once() {
    let mut few = medication();
    few["group"]["max_entries"] = json!(2);
    let items = [scale("pain"), item("since", "date"), item("scan", "file"), few, item("note", "text")];
    let Opened { app, staff, form } = form_of(&items).await;
    let known = Uuid::new_v4();
    let form = saved(&staff, &form, entry(known, json!({ "name": "A" }))).await;
    let wrong = json!({
        "pain": 11, "since": "31.12.2026", "scan": "x.pdf", "nothing": 1, "a/b": 1,
        "medication": {
            known.to_string(): { "dose": "two", "colour": "red" },
            "no-id": { "name": "B" },
        },
        "note": "This is well, and is not stored either.",
    });
    let refusal = refused(save(&staff, form.id, form.version, wrong).await, 422, "validation_failed");
    let dose = format!("/values/medication/{known}/dose");
    let colour = format!("/values/medication/{known}/colour");
    let mut expected = vec![
        "/values/a~1b",
        "/values/medication/no-id",
        "/values/nothing",
        "/values/pain",
        "/values/scan",
        "/values/since",
        colour.as_str(),
        dose.as_str(),
    ];
    expected.sort_unstable();
    let found: Vec<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(found, expected, "{:#}", refusal.details);
    assert_eq!(refusal.details["count"], expected.len());
    let rule = |at: &str| refusal.fields().into_iter().find(|(pointer, _)| *pointer == at).map(|(_, rule)| rule);
    assert_eq!(rule("/values/nothing"), Some("unknown"));
    assert_eq!(rule("/values/scan"), Some("not_supported"));
    assert_eq!((rule(&colour), rule("/values/pain")), (Some("unknown"), Some("maximum")));

    let too_many = json!({ "medication": { Uuid::new_v4().to_string(): {}, Uuid::new_v4().to_string(): {} } });
    let refusal = refused(save(&staff, form.id, form.version, too_many).await, 422, "validation_failed");
    assert!(refusal.fields().iter().any(|(pointer, _)| *pointer == "/values/medication"), "{:#}", refusal.details);
    for list in [json!([{ "id": known }]), json!("none"), json!(1)] {
        let refusal = save(&staff, form.id, form.version, json!({ "medication": list })).await;
        assert_eq!(refused(refusal, 422, "validation_failed").fields(), [("/values/medication", "type")]);
    }
    let many: Value = (0..1_001).map(|at| (format!("key_{at}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let refusal = refused(save(&staff, form.id, form.version, many).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/values", "max_properties")]);
    let read = now(&staff, form.id).await;
    assert_eq!((read.version, values(&read)), (form.version, values(&form)), "a refused save changes nothing");
    assert_eq!(app.count("select count(*) from form_changes").await, 2);
}

#[tokio::test]
async fn of_many_faults_a_hundred_are_listed_and_all_are_counted() {
    let items: Vec<Value> = (0..150).map(|at| item(&format!("item_{at}"), "integer")).collect();
    let Opened { app: _app, staff, form } = form_of(&items).await;
    let wrong: Value = (0..150).map(|at| (format!("item_{at}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let refusal = refused(save(&staff, form.id, 1, wrong).await, 422, "validation_failed");
    assert_eq!((refusal.fields().len(), &refusal.details["count"]), (100, &json!(150)));
}

#[tokio::test]
async fn a_save_that_changes_nothing_is_no_version_and_no_event() {
    let Opened { app, staff, form } = form_of(&[scale("pain"), medication(), item("note", "text")]).await;
    let id = Uuid::new_v4();
    let given = json!({ "pain": 3, "medication": { id.to_string(): { "name": "A" } } });
    let first = saved(&staff, &form, given.clone()).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    for same in [given, json!({}), json!({ "note": null }), entry(id, json!({})), entry(id, json!({ "dose": null }))] {
        let again = saved(&app.admin(), &first, same).await;
        assert_eq!(again, first);
    }
    let saves: Vec<_> = trail.next().await.into_iter().filter(|row| row.action == "saved").collect();
    assert_eq!(saves, []);
    assert_eq!(history(&staff, form.id).await.len(), 2);
    // Nor does it make a submitted form a draft.
    let whole = submitted(&staff, &first).await;
    let same = saved(&staff, &whole, json!({ "pain": 3 })).await;
    assert_eq!((same.status, same.version), (FormStatus::Submitted, whole.version));
    let reopened = saved(&staff, &whole, json!({ "pain": 4 })).await;
    assert_eq!((reopened.status, reopened.submitted_at), (FormStatus::Draft, None));
    assert!(history(&staff, form.id).await.iter().any(|change| change.kind == FormHistoryKind::Reopened));
}

#[tokio::test]
async fn a_save_is_based_on_a_version_of_a_form_that_is_there() {
    let Opened { app: _app, staff, form } = form_of(&[scale("pain")]).await;
    let refusal = save(&staff, form.id, 0, json!({ "pain": 1 })).await;
    assert_eq!(refused(refusal, 422, "validation_failed").fields(), [("/version", "minimum")]);
    refused(save(&staff, form.id + 1_000, 1, json!({ "pain": 1 })).await, 404, "form_not_found");
    let form = saved(&staff, &form, json!({ "pain": 1 })).await;
    granted(save(&staff, form.id, 1, json!({ "pain": 1 })).await, 200);
}

#[tokio::test]
async fn scores_are_of_the_answers_that_were_saved() {
    let total = json!({ "key": "total", "score": {
        "label": "Total", "formula": "sum", "inputs": [{ "key": "pain" }, { "key": "fatigue" }],
    } });
    let Opened { app: _app, staff, form } = form_of(&[scale("pain"), scale("fatigue"), total]).await;
    let score = |form: &Form| {
        let score = form.evaluation.scores.iter().find(|score| score.key.as_str() == "total").unwrap();
        (score.state.to_string(), score.value.clone())
    };
    let half = saved(&staff, &form, json!({ "pain": 4 })).await;
    assert_eq!(score(&half), ("missing".to_owned(), None));
    let both = saved(&staff, &half, json!({ "fatigue": 5 })).await;
    assert_eq!(score(&both), ("scored".to_owned(), Some("9".to_owned())));
    let refusal = save(&staff, form.id, both.version, json!({ "total": 20 })).await;
    assert_eq!(refused(refusal, 422, "validation_failed").fields(), [("/values/total", "not_applicable")]);
}
