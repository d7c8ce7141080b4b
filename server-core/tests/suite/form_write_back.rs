//! Write-back: what a form's last signature writes into the patient's profile, and what it tells beforehand.

use restartix_sdk::core::types::{CustomField, FormStatus, FormTemplate, FormWriteBack, SigningMeaning};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, refused};

use crate::{
    audit::Trail,
    custom_field::{field, field_of, update},
    form::saved,
    form_submit::{filled, raw, sign, template, treated},
    form_template::{pinned, scale},
    profile::{Of, columns, get, set, value},
};

const EVERYBODY: [&str; 4] = ["admin", "specialist", "staff", "patient"];

/// Returns an item that asks for a custom field and writes it back.
fn written(field: &CustomField) -> Value {
    let mut item = pinned(field.key.as_str(), field.id, field.version);
    item["field"]["write_back"] = json!(true);
    item
}

async fn foretold(actor: &Actor, form: i64) -> FormWriteBack {
    granted(actor.form_write_back_get().form_id(form).send().await, 200)
}

/// Returns the outcome of each field.
fn outcomes(told: &FormWriteBack) -> Vec<(&str, String)> {
    told.fields.iter().map(|field| (field.profile_key.as_str(), field.outcome.to_string())).collect()
}

#[tokio::test]
async fn the_last_signature_writes_what_was_foretold() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let of = Of::Patient(patient);
    let hand = field(&admin, "patient", "hand", json!({ "phi": true })).await;
    let open = field(&admin, "patient", "open", json!({ "field_type": "decimal" })).await;
    let same = field(&admin, "patient", "same", json!({})).await;
    let none = field(&admin, "patient", "none", json!({})).await;
    let desk = field_of(&admin, "patient", "desk", json!({}), (&EVERYBODY, &["staff"])).await;
    let gone = field(&admin, "patient", "gone", json!({})).await;
    let narrow = field(&admin, "patient", "narrow", json!({ "field_type": "integer" })).await;
    set(&admin, of, 0, json!({ "hand": "right", "same": "As before", "none": "Kept", "gone": "Before" })).await;
    let fields = [&hand, &open, &same, &none, &desk, &gone, &narrow];
    let mut items: Vec<Value> = fields.into_iter().map(written).collect();
    let asked_only = field(&admin, "patient", "asked_only", json!({})).await;
    items.push(pinned("asked_only", asked_only.id, 1));
    let template = template(&admin, &items, &[("patient", "consent"), ("specialist", "completion")]).await;
    let given = json!({
        "hand": "left", "open": "71.50", "same": "As before", "desk": "By the desk", "gone": "Gone", "narrow": 12,
        "asked_only": "Here",
    });
    let form = filled(&app.patient(), &template, patient, given).await;
    granted(admin.custom_field_delete().custom_field_id(gone.id).send().await, 204);
    update(&admin, &narrow, json!({ "validation": { "maximum": "10" } })).await;

    let told = foretold(&specialist, form.id).await;
    let expected = [
        ("hand", "written"),
        ("open", "written"),
        ("same", "unchanged"),
        ("none", "unanswered"),
        ("desk", "not_writable"),
        ("gone", "archived"),
        ("narrow", "not_valid"),
    ]
    .map(|(key, outcome)| (key, outcome.to_owned()));
    assert_eq!(outcomes(&told), expected);
    let shown = &told.fields[0];
    assert_eq!((&shown.value, &shown.present), (&Some(json!("left")), &Some(json!("right"))));
    assert_eq!((&told.fields[1].value, &told.fields[1].present), (&Some(json!("71.5")), &None));
    assert_eq!((&told.fields[3].value, &told.fields[3].present), (&None, &Some(json!("Kept"))));
    // It is told for the role of whoever asks.
    let told_staff =
        outcomes(&foretold(&app.staff(), form.id).await).into_iter().find(|(key, _)| *key == "desk").map(|of| of.1);
    assert_eq!(told_staff.as_deref(), Some("written"));

    // The first of two signatures writes nothing.
    let before = get(&admin, of).await;
    let partly = sign(&app.patient(), &form, SigningMeaning::Consent).await;
    assert_eq!(get(&admin, of).await, before);
    assert_eq!(outcomes(&foretold(&specialist, form.id).await), expected);
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    sign(&specialist, &partly, SigningMeaning::Completion).await;
    let after = get(&admin, of).await;
    assert_eq!(after.version, before.version + 1, "one write of the profile");
    for (key, expected) in [
        ("hand", Some(json!("left"))),
        ("open", Some(json!("71.5"))),
        ("same", Some(json!("As before"))),
        ("none", Some(json!("Kept"))),
        ("desk", None),
        ("gone", Some(json!("Before"))),
        ("narrow", None),
        ("asked_only", None),
    ] {
        assert_eq!(value(&after, key), expected, "{key}");
    }
    assert_eq!(after.values["hand"].changed_by_user_id, Some(app.home().specialist.user_id), "by the signer");
    let rows = trail.next().await;
    let written: Vec<_> = rows.iter().filter(|row| row.action == "profile_updated").collect();
    assert_eq!(written.len(), 1, "{rows:#?}");
    let mut keys = written[0].changed_fields.clone();
    keys.sort_unstable();
    assert!(keys.iter().any(|key| key.ends_with("hand")) && keys.iter().any(|key| key.ends_with("open")), "{keys:?}");
    assert!(!keys.iter().any(|key| key.ends_with("desk") || key.ends_with("same")), "{keys:?}");
    // Signed, it has written what it writes, and the form is as it was.
    let read = raw(&admin, form.id).await;
    assert_eq!(read["values"]["desk"], json!("By the desk"));
}

#[tokio::test]
async fn hidden_answers_and_drafts_write_nothing() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = treated(&app).await;
    let hand = field(&admin, "patient", "hand", json!({})).await;
    set(&admin, Of::Patient(patient), 0, json!({ "hand": "right" })).await;
    let mut item = written(&hand);
    item["visible_if"] = json!({ "op": "greater", "field": "pain", "value": 3 });
    let template = template(&admin, &[scale("pain"), item], &[]).await;
    let specialist = app.specialist();
    let form = crate::form::opened(&specialist, template.id, patient).await;
    let form = saved(&specialist, &form, json!({ "pain": 2, "hand": "left" })).await;
    assert_eq!(outcomes(&foretold(&specialist, form.id).await), [("hand", "unanswered".to_owned())]);
    let form = crate::form::submitted(&specialist, &form).await;
    let signed = sign(&specialist, &form, SigningMeaning::Completion).await;
    assert_eq!(signed.status, FormStatus::Signed);
    let profile = get(&admin, Of::Patient(patient)).await;
    assert_eq!((value(&profile, "hand"), profile.version), (Some(json!("right")), 1));
}

#[tokio::test]
async fn a_signature_that_writes_nothing_leaves_the_profile_as_it_is() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let same = field(&admin, "patient", "same", json!({})).await;
    let desk = field_of(&admin, "patient", "desk", json!({}), (&EVERYBODY, &["staff"])).await;
    set(&admin, Of::Patient(patient), 0, json!({ "same": "As before" })).await;
    let template = template(&admin, &[written(&same), written(&desk)], &[]).await;
    let given = json!({ "same": "As before", "desk": "By the desk" });
    let form = filled(&specialist, &template, patient, given).await;
    let before = get(&admin, Of::Patient(patient)).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    assert_eq!(sign(&specialist, &form, SigningMeaning::Completion).await.status, FormStatus::Signed);
    let rows = trail.next().await;
    assert!(!rows.iter().any(|row| row.action == "profile_updated"), "{rows:#?}");
    // Neither the values nor the version: nobody's next write is stale.
    assert_eq!(get(&admin, Of::Patient(patient)).await, before);
}

/// Publishes a template with a field that is changed before the form is signed; returns the outcome, the profile's
/// value and the columns in which the answer can be found.
async fn changed_meanwhile(app: &CoreApp, phi: (bool, bool)) -> (String, Option<Value>, Vec<String>) {
    let admin = app.admin();
    let patient = treated(app).await;
    let field = field(&admin, "patient", "secret", json!({ "phi": phi.0 })).await;
    let template: FormTemplate = template(&admin, &[written(&field)], &[]).await;
    let form = filled(&app.specialist(), &template, patient, json!({ "secret": "Quokkaphobia" })).await;
    // No value is stored, so the field may begin to protect, or stop.
    update(&admin, &field, json!({ "phi": phi.1 })).await;
    let outcome = foretold(&app.specialist(), form.id).await.fields[0].outcome.to_string();
    sign(&app.specialist(), &form, SigningMeaning::Completion).await;
    let profile = get(&admin, Of::Patient(patient)).await;
    (outcome, value(&profile, "secret"), columns(app, "Quokkaphobia").await)
}

#[tokio::test]
async fn an_answer_is_not_published_by_a_field_that_protects_less() {
    let app = CoreApp::start().await;
    let (outcome, stored, places) = changed_meanwhile(&app, (true, false)).await;
    assert_eq!((outcome.as_str(), stored), ("not_valid", None));
    assert_eq!(places, ["public.forms.content_encrypted"]);
}

#[tokio::test]
async fn an_answer_is_sealed_by_a_field_that_protects_more() {
    let app = CoreApp::start().await;
    let (outcome, stored, places) = changed_meanwhile(&app, (false, true)).await;
    assert_eq!((outcome.as_str(), stored), ("written", Some(json!("Quokkaphobia"))));
    // The form states it for segments, as its version says.
    let expected =
        ["public.form_answers.text_value", "public.forms.content_encrypted", "public.profile_values.value_encrypted"];
    assert_eq!(places, expected);
}

#[tokio::test]
async fn an_answer_that_a_protected_one_shows_is_written_to_a_protected_field_alone() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let open = field(&admin, "patient", "open", json!({})).await;
    let sealed = field(&admin, "patient", "sealed", json!({ "phi": true })).await;
    let always = field(&admin, "patient", "always", json!({})).await;
    let in_pain = |field: &CustomField| {
        let mut item = written(field);
        item["visible_if"] = json!({ "op": "greater", "field": "pain", "value": 3 });
        item
    };
    let items = [scale("pain"), in_pain(&open), in_pain(&sealed), written(&always)];
    let template = template(&admin, &items, &[]).await;
    let given = json!({ "pain": 7, "open": "Quokkaphobia", "sealed": "Quokkaphobia", "always": "Lund" });
    let form = filled(&specialist, &template, patient, given).await;
    let expected = [("open", "not_valid"), ("sealed", "written"), ("always", "written")];
    let expected = expected.map(|(key, outcome)| (key, outcome.to_owned()));
    assert_eq!(outcomes(&foretold(&specialist, form.id).await), expected);
    sign(&specialist, &form, SigningMeaning::Completion).await;
    let profile = get(&admin, Of::Patient(patient)).await;
    let stored = ["open", "sealed", "always"].map(|key| value(&profile, key));
    assert_eq!(stored, [None, Some(json!("Quokkaphobia")), Some(json!("Lund"))]);
    let places = columns(&app, "Quokkaphobia").await;
    assert_eq!(places, ["public.forms.content_encrypted", "public.profile_values.value_encrypted"], "nowhere in clear");
}

#[tokio::test]
async fn only_who_reads_the_form_is_told() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = treated(&app).await;
    let hidden = field_of(&admin, "patient", "hidden", json!({}), (&["specialist"], &["specialist"])).await;
    set(&admin, Of::Patient(patient), 0, json!({ "hidden": "Before" })).await;
    let template = template(&admin, &[written(&hidden)], &[]).await;
    let form = filled(&app.specialist(), &template, patient, json!({ "hidden": "After" })).await;
    let told = foretold(&app.specialist(), form.id).await;
    assert_eq!((&told.fields[0].value, &told.fields[0].present), (&Some(json!("After")), &Some(json!("Before"))));
    let told = foretold(&app.staff(), form.id).await;
    assert_eq!((outcomes(&told)[0].1.as_str(), &told.fields[0].present), ("not_writable", &None));
    let stranger = app.other_admin();
    refused(stranger.form_write_back_get().form_id(form.id).send().await, 404, "form_not_found");
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    foretold(&app.staff(), form.id).await;
    let rows = trail.next().await;
    assert!(rows.iter().any(|row| row.action == "read"), "reading values is in the trail: {rows:#?}");
}
