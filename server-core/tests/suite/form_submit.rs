//! `POST /v1/forms/{id}/submit`: everything that a form needs before it can be signed.

use reqwest::Method;
use restartix_sdk::core::{
    Client,
    types::{CreateForm, Form, FormStatus, FormTemplate, FormVersionInput, SignForm, SigningMeaning},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, granted, in_days, refused};
use uuid::Uuid;

use crate::{
    form::{Answered, opened, saved, submit, submitted, values},
    form_template::{definition, redraft, scale},
    form_template_publish::publish,
};

/// Key, group, entry, whether it is a score, value and band of an answer in the clear.
type Typed = (String, Option<String>, Option<Uuid>, bool, String, Option<String>);

/// Returns an item that asks for a value of a type.
pub(crate) fn asked(key: &str, kind: &str, phi: bool) -> Value {
    json!({ "key": key, "field": { "definition": { "field_type": kind, "label": key, "phi": phi } } })
}

/// Makes the answer to an item required.
pub(crate) fn required(mut item: Value) -> Value {
    item["field"]["required"] = json!(true);
    item
}

/// Shows an item only under a condition.
fn visible_if(mut item: Value, condition: Value) -> Value {
    item["visible_if"] = condition;
    item
}

/// Publishes a template of any name with these items and signers; no signers are a specialist's completion.
pub(crate) async fn template(admin: &Actor, items: &[Value], signers: &[(&str, &str)]) -> FormTemplate {
    let mut whole = definition(items);
    let signers = signers.iter().map(|(signer, meaning)| json!({ "signer": signer, "meaning": meaning }));
    whole["signatures"] = signers.collect();
    let made = crate::form_template::create(admin, &format!("Form {}", Uuid::new_v4()), &whole).await;
    publish(admin, &made).await;
    made
}

/// Returns a body of the specification's shape.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) fn body<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Returns the body of an action on a form as it was read.
pub(crate) fn as_read(form: &Form) -> FormVersionInput {
    FormVersionInput { version: form.version }
}

/// Creates a form with these answers and submits it.
pub(crate) async fn filled(client: &Client, template: &FormTemplate, patient: i64, values: Value) -> Form {
    let form = opened(client, template.id, patient).await;
    let form = saved(client, &form, values).await;
    submitted(client, &form).await
}

/// Asks to sign a form as it was read.
pub(crate) async fn signing(client: &Client, form: &Form, meaning: SigningMeaning) -> Answered {
    let request = SignForm { meaning, version: form.version };
    client.form_sign().form_id(form.id).body(request).send().await
}

/// Signs a form as it was read.
pub(crate) async fn sign(client: &Client, form: &Form, meaning: SigningMeaning) -> Form {
    granted(signing(client, form, meaning).await, 200)
}

/// Returns a form as it is answered.
pub(crate) async fn raw(actor: &Actor, id: i64) -> Value {
    Answer::to(actor.request(Method::GET, &format!("/v1/forms/{id}"))).await.json(200)
}

/// Returns a patient whom the specialist of home treats.
pub(crate) async fn treated(app: &CoreApp) -> i64 {
    let patient = app.patient_record().await.id;
    app.appointment_create(&app.admin(), app.home().specialist_id, patient, in_days(2, 9)).await;
    patient
}

#[tokio::test]
async fn everything_that_is_missing_is_named_at_once() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = treated(&app).await;
    let mut group_fields = [required(asked("name", "text", true)), asked("dose", "decimal", true)];
    group_fields[1]["field"]["required_if"] = json!({ "op": "equals", "field": "name", "value": "Known" });
    let drugs = json!({ "key": "drugs", "group": {
        "label": "Drugs", "min_entries": 3, "max_entries": 5, "items": group_fields,
    } });
    let items =
        [required(asked("note", "text", true)), required(asked("smokes", "boolean", true)), scale("pain"), drugs];
    let template = template(&admin, &items, &[]).await;
    let form = opened(&app.staff(), template.id, patient).await;
    let (first, second) = (Uuid::from_u128(0xA1), Uuid::from_u128(0xA2));
    let entries = json!({ first.to_string(): { "dose": "0.50" }, second.to_string(): { "name": "Known" } });
    let form = saved(&app.staff(), &form, json!({ "drugs": entries })).await;
    assert_eq!(form.status, FormStatus::Draft, "a draft may have what is missing");
    let refusal = refused(submit(&app.staff(), &form).await, 422, "validation_failed");
    let (name, dose) = (format!("/values/drugs/{first}/name"), format!("/values/drugs/{second}/dose"));
    let mut expected = vec![
        ("/values/drugs", "min_items"),
        (name.as_str(), "required"),
        (dose.as_str(), "required"),
        ("/values/note", "required"),
        ("/values/smokes", "required"),
    ];
    expected.sort_unstable();
    assert_eq!(refusal.fields(), expected);
    let after = granted(app.staff().form_get().form_id(form.id).send().await, 200);
    assert_eq!((after.status, after.version), (FormStatus::Draft, form.version), "a refusal changes nothing");
    let missing = &after.evaluation.missing_answers;
    let mut missing: Vec<_> = missing.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect();
    missing.sort_unstable();
    // The form itself says the same, by the places in its values.
    let expected = [
        ("/values/drugs", "min_items"),
        ("/values/drugs/0/name", "required"),
        ("/values/drugs/1/dose", "required"),
        ("/values/note", "required"),
        ("/values/smokes", "required"),
    ];
    assert_eq!(missing, expected);

    // `false` and 0 are answers.
    let entries = json!({
        first.to_string(): { "name": "Other" }, second.to_string(): { "dose": 0 },
        Uuid::from_u128(0xA3).to_string(): { "name": "Third" },
    });
    let form = saved(&app.staff(), &form, json!({ "note": " As  told. ", "smokes": false, "drugs": entries })).await;
    let form = submitted(&app.staff(), &form).await;
    assert_eq!(form.status, FormStatus::Submitted);
    assert!(form.submitted_at.is_some() && form.signed_at.is_none() && form.content_hash.is_none());
    let kept = values(&form);
    assert_eq!(
        (&kept["smokes"], &kept["drugs"][0]["dose"], &kept["drugs"][1]["dose"]),
        (&json!(false), &json!("0.5"), &json!("0"))
    );
    assert!(form.definition.is_none(), "answers to changes leave the definition out");
}

#[tokio::test]
async fn nothing_but_what_was_read_is_submitted() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let read = opened(&app.staff(), template.id, patient).await;
    let saved = saved(&app.staff(), &read, json!({ "pain": 3 })).await;
    let refusal = refused(submit(&app.staff(), &read).await, 409, "stale_version");
    assert_eq!(refusal.details, json!({ "version": saved.version }), "a 409 carries the current version");
    let submitted = submitted(&app.staff(), &saved).await;
    assert_eq!(submitted.version, saved.version + 1);
    refused(submit(&app.staff(), &submitted).await, 409, "form_submitted");
    let staff = app.staff();
    let unknown = staff.form_submit().form_id(9_007_199_254_740_991_i64).body(FormVersionInput { version: 1 });
    refused(unknown.send().await, 404, "form_not_found");
}

#[tokio::test]
async fn hidden_answers_stay_in_the_draft_and_are_dropped_by_the_submission() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = treated(&app).await;
    // Each shows the next one: what a hidden field controls is hidden.
    let cause = visible_if(
        required(asked("cause", "text", true)),
        json!({ "op": "greater_or_equal", "field": "pain", "value": 4 }),
    );
    let since = visible_if(
        required(asked("since", "date", true)),
        json!({ "op": "not", "conditions": [{ "op": "is_empty", "field": "cause" }] }),
    );
    let worst =
        visible_if(scale("worst"), json!({ "op": "not", "conditions": [{ "op": "is_empty", "field": "since" }] }));
    let score = json!({ "key": "total", "score": {
        "label": "Total", "formula": "sum", "inputs": [{ "key": "pain" }, { "key": "worst" }],
    } });
    let template = template(&app.admin(), &[scale("pain"), cause, since, worst, score], &[]).await;
    let form = opened(&staff, template.id, patient).await;
    let all = json!({ "pain": 6, "cause": "Fall", "since": "2026-03-01", "worst": 9 });
    let form = saved(&staff, &form, all.clone()).await;
    let total = |form: &Form| serde_json::to_value(&form.evaluation.scores).unwrap()[0]["value"].clone();
    assert_eq!(total(&form), "15");

    let form = saved(&staff, &form, json!({ "pain": 2 })).await;
    let mut kept = all.clone();
    kept["pain"] = json!(2);
    assert_eq!(values(&form), kept, "the draft keeps what is hidden");
    assert_eq!((form.evaluation.hidden_answers.len(), total(&form)), (3, json!("2")), "and doesn't count it");
    // Shown again, each answer is as it was, also after another reading.
    let again = saved(&staff, &form, json!({ "pain": 6 })).await;
    assert_eq!(values(&again), all);
    let read = granted(staff.form_get().form_id(form.id).send().await, 200);
    assert_eq!(values(&read), all);

    let form = saved(&staff, &again, json!({ "pain": 2 })).await;
    let form = submitted(&staff, &form).await;
    assert_eq!((values(&form), total(&form)), (json!({ "pain": 2 }), json!("2")));
    let history = granted(staff.form_history_list().form_id(form.id).send().await, 200).data;
    let mut dropped = history[0].fields.clone();
    dropped.sort_unstable();
    assert_eq!(
        (history[0].kind.to_string().as_str(), dropped),
        ("submitted", vec!["cause".to_owned(), "since".to_owned(), "worst".to_owned(),])
    );
    // A draft again, it has nothing of what was dropped, and asks for it.
    let form = saved(&staff, &form, json!({ "pain": 7 })).await;
    assert_eq!(values(&form), json!({ "pain": 7 }));
    assert_eq!(
        refused(submit(&staff, &form).await, 422, "validation_failed").fields(),
        [("/values/cause", "required")]
    );
}

#[tokio::test]
async fn a_save_makes_a_submitted_form_a_draft_again() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain"), asked("weight", "decimal", false)], &[]).await;
    let form = filled(&app.staff(), &template, patient, json!({ "pain": 3, "weight": "71.50" })).await;
    let typed = "select count(*) from form_answers";
    assert_eq!(app.count(typed).await, 1);
    let reopened = saved(&app.patient(), &form, json!({ "pain": 4 })).await;
    assert_eq!((reopened.status, reopened.version), (FormStatus::Draft, form.version + 1));
    assert_eq!(reopened.submitted_at, None);
    assert_eq!(values(&reopened), json!({ "pain": 4, "weight": "71.5" }));
    assert_eq!(app.count(typed).await, 0, "what nobody states any more is in no segment");
    refused(signing(&app.specialist(), &reopened, SigningMeaning::Completion).await, 409, "form_not_submitted");
    let again = submitted(&app.patient(), &reopened).await;
    assert_eq!((again.status, app.count(typed).await), (FormStatus::Submitted, 1));
    let kinds: Vec<_> = granted(app.staff().form_history_list().form_id(form.id).send().await, 200)
        .data
        .iter()
        .map(|change| change.kind.to_string())
        .collect();
    assert_eq!(kinds, ["submitted", "reopened", "submitted", "saved", "created"]);
}

#[tokio::test]
async fn a_form_is_checked_by_the_version_that_it_was_opened_with() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = treated(&app).await;
    let first = template(&admin, &[scale("pain")], &[]).await;
    let (plain, archived) = (opened(&staff, first.id, patient).await, opened(&staff, first.id, patient).await);
    let changed = redraft(&admin, &first, &definition(&[required(asked("name", "text", true))])).await;
    publish(&admin, &changed).await;
    let plain = saved(&staff, &plain, json!({ "pain": 5 })).await;
    let plain = submitted(&staff, &plain).await;
    assert_eq!((plain.form_template_version, values(&plain)), (1, json!({ "pain": 5 })));
    // Archiving the template stops new forms; running ones finish.
    granted(admin.form_template_delete().form_template_id(first.id).send().await, 204);
    let request: CreateForm = body(json!({ "form_template_id": first.id, "patient_id": patient }));
    refused(staff.form_create().body(request).send().await, 409, "form_template_archived");
    let archived = saved(&staff, &archived, json!({ "pain": 6 })).await;
    let archived = submitted(&staff, &archived).await;
    let signed = sign(&app.specialist(), &archived, SigningMeaning::Completion).await;
    assert_eq!((signed.status, signed.form_template_version), (FormStatus::Signed, 1));
}

#[tokio::test]
async fn answers_in_the_clear_are_those_that_protect_nothing() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let mut choices = asked("hobbies", "multiple_choice", false);
    choices["field"]["definition"]["options"] =
        json!([{ "key": "chess", "label": "Chess" }, { "key": "go", "label": "Go" }]);
    let legs = json!({ "key": "walks", "group": { "label": "Walks", "max_entries": 5, "items": [
        asked("metres", "integer", false), asked("felt", "text", true),
    ] } });
    let mut open = scale("open");
    open["field"]["definition"]["phi"] = json!(false);
    let score = |key: &str, input: &str| {
        let bands = json!([{ "key": "high", "label": "High", "from": "5" }]);
        json!({ "key": key, "score": { "label": key, "formula": "sum", "inputs": [{ "key": input }], "bands": bands } })
    };
    let items = [
        asked("city", "text", false),
        asked("weight", "decimal", false),
        asked("smokes", "boolean", false),
        asked("since", "date", false),
        asked("wakes", "time", false),
        asked("seen", "datetime", false),
        choices,
        open,
        legs,
        asked("secret", "text", true),
        scale("pain"),
        score("clear", "open"),
        score("sealed", "pain"),
    ];
    let template = template(&app.admin(), &items, &[]).await;
    let entry = Uuid::from_u128(0xB1);
    let given = json!({
        "city": "Lund", "weight": "71.50", "smokes": false, "since": "2026-03-01", "wakes": "06:30:00",
        "seen": "2026-03-01T09:00:00Z", "hobbies": ["go", "chess"], "open": 7, "pain": 8, "secret": "Quokkaphobia",
        "walks": { entry.to_string(): { "metres": 400, "felt": "Fine" } },
    });
    let draft = opened(&app.staff(), template.id, patient).await;
    let draft = saved(&app.staff(), &draft, given).await;
    assert_eq!(app.count("select count(*) from form_answers").await, 0, "a draft states nothing yet");
    let form = submitted(&app.staff(), &draft).await;
    let rows: Vec<Typed> = sqlx::query_as(
        "select key, group_key, entry, is_score,
                coalesce(text_value, trim_scale(number_value)::text, boolean_value::text, date_value::text,
                         time_value::text, to_char(datetime_value at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
                         choices_value::text),
                band
         from form_answers order by is_score, key collate \"C\"",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let plain = |key: &str, value: &str| (key.to_owned(), None, None, false, value.to_owned(), None);
    let expected = vec![
        plain("city", "Lund"),
        plain("hobbies", "{chess,go}"),
        ("metres".to_owned(), Some("walks".to_owned()), Some(entry), false, "400".to_owned(), None),
        plain("open", "7"),
        plain("seen", "2026-03-01 09:00"),
        plain("since", "2026-03-01"),
        plain("smokes", "false"),
        plain("wakes", "06:30:00"),
        plain("weight", "71.5"),
        ("clear".to_owned(), None, None, true, "7".to_owned(), Some("high".to_owned())),
    ];
    assert_eq!(rows, expected);
    sign(&app.specialist(), &form, SigningMeaning::Completion).await;
    assert_eq!(app.count("select count(*) from form_answers").await, 10, "they stay with what was signed");
}
