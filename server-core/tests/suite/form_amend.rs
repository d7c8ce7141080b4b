//! Amendments: other forms, each of which corrects a signed one and takes its place at the appointment.

use restartix_sdk::core::types::{Form, FormStatus, SigningMeaning};
use serde_json::json;
use test_support::{Actor, CoreApp, granted, in_days, refused};

use crate::{
    audit::Trail,
    form::{Answered, delete, now, saved, submitted, values},
    form_appointment::attached,
    form_frozen::{frozen, row},
    form_sign::verify,
    form_submit::{as_read, raw, sign, template},
    form_template::scale,
    form_void::{voided, voiding},
};

/// Asks for an amendment.
pub(crate) async fn amending(actor: &Actor, form: &Form) -> Answered {
    actor.form_amend().form_id(form.id).body(as_read(form)).send().await
}

/// Amends a form.
pub(crate) async fn amended(actor: &Actor, form: &Form) -> Form {
    granted(amending(actor, form).await, 201)
}

/// Attaches a form to an appointment, and signs it as its specialist; returns the form, its appointment and template.
async fn signed_at_appointment(app: &CoreApp) -> (Form, i64, i64) {
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = app.patient_record().await.id;
    let asks = template(&admin, &[scale("pain")], &[]).await.id;
    let booked = app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    let [form] = attached(&specialist, booked, &[asks]).await[..] else { panic!("one form") };
    (completed(&specialist, form).await, booked, asks)
}

/// Submits and signs a form as it is now.
async fn completed(specialist: &Actor, form: i64) -> Form {
    let form = submitted(specialist, &now(specialist, form).await).await;
    sign(specialist, &form, SigningMeaning::Completion).await
}

#[tokio::test]
async fn an_amendment_is_another_form_that_supersedes_the_signed_one() {
    let app = CoreApp::start().await;
    let (partly, signed) = frozen(&app).await;
    let specialist = app.specialist();
    refused(amending(&specialist, &partly).await, 409, "form_not_signed");
    for actor in [app.admin(), app.staff(), app.patient()] {
        refused(amending(&actor, &signed).await, 403, "permission_denied");
    }
    let stored = row(&app, signed.id).await;
    let amendment = amended(&specialist, &signed).await;
    assert_eq!((amendment.status, amendment.amends_id, amendment.version), (FormStatus::Draft, Some(signed.id), 1));
    assert_eq!((values(&amendment), amendment.patient_id), (values(&signed), signed.patient_id));
    assert_eq!(amendment.form_template_version, signed.form_template_version);
    assert!(amendment.definition.is_some() && amendment.signatures.is_empty());
    let from: Vec<_> = amendment.prefilled.values().map(|origin| origin.form_id).collect();
    assert!(!from.is_empty() && from.iter().all(|id| *id == Some(signed.id)), "{from:?}");
    // The signed one says which form supersedes it, and has not changed.
    assert_eq!(now(&app.patient(), signed.id).await.amended_by_id, Some(amendment.id));
    assert_eq!(row(&app, signed.id).await, stored);
    let refusal = refused(amending(&specialist, &signed).await, 409, "form_amended");
    assert_eq!(refusal.details["amended_by_id"], json!(amendment.id));

    let amendment = saved(&specialist, &amendment, json!({ "pain": 5 })).await;
    let amendment = submitted(&specialist, &amendment).await;
    let amendment = sign(&app.patient(), &amendment, SigningMeaning::Consent).await;
    let amendment = sign(&specialist, &amendment, SigningMeaning::Completion).await;
    let shown = raw(&specialist, amendment.id).await;
    verify(&shown);
    assert_eq!(shown["content"]["amends"], json!(signed.uid), "the signed content names what it corrects");
    assert_eq!(values(&now(&specialist, signed.id).await), values(&signed));

    // A void amendment corrects nothing; another one can.
    let void = granted(voiding(&specialist, &amendment, "Mistaken").await, 200);
    assert_eq!(void.status, FormStatus::Void);
    assert_eq!(now(&specialist, signed.id).await.amended_by_id, None);
    let second = amended(&specialist, &signed).await;
    assert_eq!((second.amends_id, values(&second)), (Some(signed.id), values(&signed)));
    // Nor does a draft that is deleted.
    granted(delete(&specialist, second.id).await, 204);
    assert_eq!(now(&specialist, signed.id).await.amended_by_id, None);
    amended(&specialist, &signed).await;
}

#[tokio::test]
async fn of_many_who_amend_at_once_one_does() {
    let app = CoreApp::start().await;
    let (_, signed) = frozen(&app).await;
    let specialist = app.specialist();
    let answers = futures_util::future::join_all((0..6).map(|_| amending(&specialist, &signed))).await;
    let (done, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1, "{done:?}");
    for other in others {
        refused(other, 409, "form_amended");
    }
}

#[tokio::test]
async fn the_audit_of_an_amendment_names_both_forms() {
    let app = CoreApp::start().await;
    let (_, signed) = frozen(&app).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let amendment = amended(&app.specialist(), &signed).await;
    let rows = trail.next().await;
    let said: Vec<_> = rows
        .iter()
        .filter(|row| row.entity_type == "form" && row.action != "read")
        .map(|row| (row.action.as_str(), row.entity_id.as_deref().unwrap_or_default().to_owned()))
        .collect();
    let expected = [("created", amendment.id.to_string()), ("amended", signed.id.to_string())];
    assert!(said.len() == 2 && expected.iter().all(|row| said.contains(row)), "{said:?}");
}

#[tokio::test]
async fn a_form_has_its_place_back_once_its_amendment_does_not_count() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let (form, booked, asks) = signed_at_appointment(&app).await;
    let amend = async || {
        let amendment = amended(&specialist, &form).await;
        assert_eq!(amendment.appointment_id, Some(booked), "each amendment belongs to the appointment");
        assert_eq!(attached(&specialist, booked, &[asks]).await, [amendment.id], "in the place of the form");
        amendment
    };
    let amendment = amend().await;
    voided(&admin, &amendment).await;
    assert_eq!(attached(&specialist, booked, &[asks]).await, [form.id], "no second form is created");
    let amendment = amend().await;
    granted(delete(&specialist, amendment.id).await, 204);
    assert_eq!(attached(&specialist, booked, &[asks]).await, [form.id]);
    // A form that is void itself has no place to come back to.
    let amendment = amend().await;
    voided(&admin, &form).await;
    assert_eq!(attached(&specialist, booked, &[asks]).await, [amendment.id]);
    granted(delete(&specialist, amendment.id).await, 204);
    let [new] = attached(&specialist, booked, &[asks]).await[..] else { panic!("one form") };
    assert!(new != form.id && new != amendment.id, "{new}");
}

#[tokio::test]
async fn the_place_of_amendments_that_do_not_count_goes_to_the_last_form_that_does() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let (first, booked, asks) = signed_at_appointment(&app).await;
    for is_deleted in [false, true] {
        let second = completed(&specialist, amended(&specialist, &first).await.id).await;
        let third = amended(&specialist, &second).await;
        voided(&admin, &second).await;
        assert_eq!(attached(&specialist, booked, &[asks]).await, [third.id], "the third form has the place");
        if is_deleted {
            granted(delete(&specialist, third.id).await, 204);
        } else {
            voided(&admin, &third).await;
        }
        assert_eq!(attached(&specialist, booked, &[asks]).await, [first.id], "the second form does not count");
    }
    // Without a form that counts, the template is attached again.
    let second = completed(&specialist, amended(&specialist, &first).await.id).await;
    let third = amended(&specialist, &second).await;
    for form in [&first, &second, &third] {
        voided(&admin, form).await;
    }
    let [new] = attached(&specialist, booked, &[asks]).await[..] else { panic!("one form") };
    assert!(![first.id, second.id, third.id].contains(&new), "{new}");
}
