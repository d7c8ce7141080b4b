//! Exports of forms: a column for each field of a template, by its key.

use restartix_sdk::core::types::SigningMeaning;
use serde_json::{Value, json};
use test_support::{Actor, ClerkApi, CoreApp, granted};
use uuid::Uuid;

use crate::{
    export::table,
    form::{medication, opened, saved, submitted},
    form_submit::{asked, filled, sign, template, treated},
    form_template::{definition, redraft, scale},
    form_template_publish::publish,
    gdpr::{clinic, finished},
};

/// Returns a choice with these options.
fn choice(key: &str, kind: &str, options: &[&str]) -> Value {
    let options: Vec<Value> = options.iter().map(|key| json!({ "key": key, "label": format!("{key}!") })).collect();
    let definition = json!({ "field_type": kind, "label": key, "phi": true, "options": options });
    json!({ "key": key, "field": { "definition": definition } })
}

/// Exports the forms of a template, with these columns besides those of the fields.
async fn forms(admin: &Actor, template: i64, columns: &[&str]) -> Vec<Vec<String>> {
    table(admin, json!({ "forms": { "form_template_id": template, "columns": columns } })).await
}

#[tokio::test]
async fn a_field_keeps_its_column_wherever_it_stands() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let first =
        template(&admin, &[asked("status", "text", true), scale("pain"), asked("gone", "text", true)], &[]).await;
    let form = opened(&admin, first.id, patient).await;
    saved(&admin, &form, json!({ "status": "calm", "pain": 3, "gone": "kept" })).await;
    // The first field moves to the end, the last one goes, and there is a new one at the begin.
    let items = [asked("new", "text", true), scale("pain"), asked("status", "text", true)];
    let second = redraft(&admin, &first, &definition(&items)).await;
    publish(&admin, &second).await;
    let form = opened(&admin, first.id, patient).await;
    saved(&admin, &form, json!({ "status": "tense", "pain": 7, "new": "=1" })).await;

    let rows = forms(&admin, first.id, &["form_template_version", "status"]).await;
    assert_eq!(rows[0], ["form.form_template_version", "form.status", "status", "pain", "gone", "new"]);
    assert_eq!(rows[1], ["1", "draft", "calm", "3", "kept", ""]);
    assert_eq!(rows[2], ["2", "draft", "tense", "7", "", "'=1"]);
    assert_eq!(rows.len(), 3);
    let body = json!({ "forms": {
        "form_template_id": first.id, "columns": ["id"], "form_template_version": 2, "patient_id": patient,
    } });
    assert_eq!(table(&admin, body).await.len(), 2);
}

#[tokio::test]
async fn cells_have_the_type_of_their_field() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let items = [
        asked("note", "long_text", true),
        asked("count", "integer", true),
        asked("dose", "decimal", true),
        asked("smokes", "boolean", true),
        asked("since", "date", true),
        asked("at", "time", true),
        asked("seen", "datetime", true),
        asked("mail", "email", true),
        asked("call", "phone", true),
        choice("side", "single_choice", &["left", "right"]),
        choice("limbs", "multiple_choice", &["arm", "leg"]),
        medication(),
    ];
    let template = template(&admin, &items, &[]).await;
    let form = opened(&admin, template.id, patient).await;
    let (first, second) = (Uuid::from_u128(0xA1), Uuid::from_u128(0xA2));
    let answers = json!({
        "note": "-5", "count": -5, "dose": "-0.50", "smokes": false, "since": "2020-02-29", "at": "07:05",
        "seen": "2026-01-02T03:04:05Z", "mail": "ann@example.com", "call": "+40721234567", "side": "left",
        "limbs": ["leg", "arm"],
        "medication": { first.to_string(): { "name": "=Ibu" }, second.to_string(): { "name": "ASS", "dose": -2 } },
    });
    saved(&admin, &form, answers).await;
    let rows = forms(&admin, template.id, &["id"]).await;
    let header = [
        "form.id",
        "note",
        "count",
        "dose",
        "smokes",
        "since",
        "at",
        "seen",
        "mail",
        "call",
        "side",
        "limbs",
        "medication/name",
        "medication/dose",
    ];
    assert_eq!(rows[0], header);
    let id = form.id.to_string();
    let expected = [
        &*id,
        "'-5",
        "-5",
        "-0.5",
        "false",
        "2020-02-29",
        "07:05:00",
        "2026-01-02T03:04:05Z",
        "ann@example.com",
        "+40721234567",
        "left",
        "arm|leg",
        r#"["=Ibu", "ASS"]"#,
        "[null, -2]",
    ];
    assert_eq!(rows[1], expected);
}

#[tokio::test]
async fn hidden_answers_of_drafts_stay_out_and_scores_of_signed_forms_stay() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let mut shown = asked("why", "text", true);
    shown["visible_if"] = json!({ "op": "equals", "field": "smokes", "value": true });
    let score = json!({ "key": "total", "score": {
        "label": "Total", "formula": "sum", "inputs": [{ "key": "pain" }],
        "bands": [{ "key": "severe", "label": "Severe", "from": "7", "to": "10" }],
    } });
    let template = template(&admin, &[asked("smokes", "boolean", true), shown, scale("pain"), score], &[]).await;
    let draft = opened(&admin, template.id, patient).await;
    let draft = saved(&admin, &draft, json!({ "smokes": true, "why": "secret", "pain": 2 })).await;
    saved(&admin, &draft, json!({ "smokes": false })).await;
    let form = filled(&admin, &template, patient, json!({ "smokes": true, "why": "stress", "pain": 8 })).await;
    sign(&specialist, &form, SigningMeaning::Completion).await;
    let rows = forms(&admin, template.id, &["status"]).await;
    assert_eq!(rows[0], ["form.status", "smokes", "why", "pain", "total", "total/band"]);
    assert_eq!(rows[1], ["draft", "false", "", "2", "2", ""]);
    assert_eq!(rows[2], ["signed", "true", "stress", "8", "8", "severe"]);
}

#[tokio::test]
async fn forms_of_erased_patients_are_rows_without_answers() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin, specialist) = (&clinic.core, clinic.core.admin(), clinic.core.specialist());
    let patient = treated(app).await;
    let template = template(&admin, &[asked("note", "text", true)], &[]).await;
    let form = opened(&admin, template.id, patient).await;
    let form = submitted(&admin, &saved(&admin, &form, json!({ "note": "quokka" })).await).await;
    sign(&specialist, &form, SigningMeaning::Completion).await;
    let erasure = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    finished(&admin, erasure.job_id).await;
    let rows = forms(&admin, template.id, &["status", "is_erased"]).await;
    assert_eq!(rows, [["form.status", "form.is_erased", "note"], ["signed", "true", ""]]);
}
