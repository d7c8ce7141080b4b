//! Forms of patients who were entered twice.

use restartix_sdk::core::types::{Form, FormStatus, Patient, SigningMeaning};
use serde_json::json;
use test_support::{CoreApp, granted, in_days, refused};

use crate::{
    custom_field::field,
    form::{opened, save, saved, submitted, values},
    form_amend::amended,
    form_sign::verify,
    form_submit::{asked, body, filled, raw, sign, template},
    form_template::{pinned, scale},
    patient_merge::merge,
    profile::{Of, get, value},
};

/// Returns the patient's record, which has a login, and another one of the same person; the specialist treats both.
async fn entered_twice(app: &CoreApp) -> (Patient, Patient) {
    let admin = app.admin();
    let (stays, goes) = (app.patient_record().await, app.patient_create(&admin, "Gracie", "Sample").await);
    for (record, day) in [(&stays, 2), (&goes, 3)] {
        app.appointment_create(&admin, app.home().specialist_id, record.id, in_days(day, 9)).await;
    }
    (stays, goes)
}

#[tokio::test]
async fn forms_of_the_merged_record_are_the_patients() {
    let app = CoreApp::start().await;
    let (admin, specialist, person) = (app.admin(), app.specialist(), app.patient());
    let (stays, goes) = entered_twice(&app).await;
    let hand = field(&admin, "patient", "hand", json!({ "phi": true })).await;
    let mut written = pinned("hand", hand.id, 1);
    written["field"]["write_back"] = json!(true);
    let template = template(&admin, &[scale("pain"), asked("weight", "decimal", false), written], &[]).await;
    let given = json!({ "pain": 3, "weight": "71.5", "hand": "left" });
    let draft = opened(&specialist, template.id, goes.id).await;
    let draft = saved(&specialist, &draft, json!({ "pain": 2 })).await;
    let waiting = filled(&specialist, &template, goes.id, given.clone()).await;
    let signed = filled(&specialist, &template, goes.id, given).await;
    let signed = sign(&specialist, &signed, SigningMeaning::Completion).await;
    let own = opened(&specialist, template.id, stays.id).await;
    assert_eq!(value(&get(&admin, Of::Patient(goes.id)).await, "hand"), Some(json!("left")));
    let before = raw(&admin, signed.id).await;
    let stored = "select count(*) from forms f join patients p on p.id = f.patient_id and p.last_name = 'Sample'";
    assert_eq!(app.count(stored).await, 3);
    refused(person.form_get().form_id(signed.id).send().await, 404, "form_not_found");

    merge(&admin, &stays, &goes).await;
    assert_eq!(app.count(stored).await, 3, "no form is touched");
    // They are listed with the patient, whoever lists them, and with nobody else.
    let mut expected = [draft.id, waiting.id, signed.id, own.id];
    expected.sort_unstable();
    for actor in [&admin, &app.staff(), &specialist, &person] {
        let list = granted(actor.form_list().patient_id(stays.id).page_size(100).send().await, 200).data;
        assert!(list.iter().all(|form| form.patient_id == stays.id), "{list:?}");
        let mut listed: Vec<_> = list.iter().map(|form| form.id).collect();
        listed.sort_unstable();
        assert_eq!(listed, expected);
    }
    assert_eq!(granted(admin.form_list().patient_id(goes.id).send().await, 200).data, []);
    assert_eq!(granted(person.form_list().send().await, 200).meta.total, 4);

    // Each is read, with the key of the record that it was made for; the hashes still hold.
    let shown = async |form: &Form| granted(person.form_get().form_id(form.id).send().await, 200);
    assert_eq!(values(&shown(&waiting).await), values(&waiting));
    let after = raw(&person, signed.id).await;
    verify(&after);
    assert_eq!((&after["content"], &after["signatures"]), (&before["content"], &before["signatures"]));
    assert_eq!(after["patient_id"], json!(stays.id));

    // A draft is saved, submitted and signed, and writes into the patient's profile.
    let draft = saved(&person, &draft, json!({ "hand": "right" })).await;
    assert_eq!((draft.patient_id, values(&draft)), (stays.id, json!({ "pain": 2, "hand": "right" })));
    let draft = submitted(&person, &draft).await;
    let done = sign(&specialist, &draft, SigningMeaning::Completion).await;
    assert_eq!(done.status, FormStatus::Signed);
    assert_eq!(value(&get(&person, Of::Patient(stays.id)).await, "hand"), Some(json!("right")));
    let waiting = sign(&specialist, &waiting, SigningMeaning::Completion).await;
    verify(&raw(&person, waiting.id).await);
    assert_eq!(value(&get(&person, Of::Patient(stays.id)).await, "hand"), Some(json!("left")));

    // The signed form can be amended; the amendment is the patient's.
    let amendment = amended(&specialist, &signed).await;
    assert_eq!((amendment.patient_id, amendment.amends_id), (stays.id, Some(signed.id)));
    assert_eq!(values(&amendment), values(&signed));
    saved(&person, &amendment, json!({ "pain": 9 })).await;
    // Nothing is made for the merged record any more.
    let request: restartix_sdk::core::types::CreateForm =
        body(json!({ "form_template_id": template.id, "patient_id": goes.id }));
    let refusal = refused(admin.form_create().body(request).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "unknown_reference")]);
}

#[tokio::test]
async fn what_is_due_for_the_merged_record_is_due_for_the_patient() {
    let app = CoreApp::start().await;
    let (stays, goes) = entered_twice(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let form = opened(&app.staff(), template.id, goes.id).await;
    merge(&app.admin(), &stays, &goes).await;
    let due = granted(app.patient().me_form_list().send().await, 200).data;
    assert_eq!(due.iter().map(|due| (due.id, due.patient_id)).collect::<Vec<_>>(), [(form.id, stays.id)]);
}

#[tokio::test]
async fn a_save_and_a_merge_at_once_lose_nothing() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = template(&admin, &[scale("pain")], &[]).await;
    for round in 0..5 {
        let stays = app.patient_create(&admin, "Grace", &format!("Round {round}")).await;
        let goes = app.patient_create(&admin, "Gracie", &format!("Round {round}")).await;
        let form = opened(&admin, template.id, goes.id).await;
        let staff = app.staff();
        let (_, saved) =
            tokio::join!(merge(&admin, &stays, &goes), save(&staff, form.id, form.version, json!({ "pain": 4 })));
        let saved = granted(saved, 200);
        let read = granted(admin.form_get().form_id(form.id).send().await, 200);
        assert_eq!((read.patient_id, read.version, values(&read)), (stays.id, saved.version, json!({ "pain": 4 })));
    }
}
