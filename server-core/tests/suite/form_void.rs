//! Forms that are void: they stay as they were, beside a row with the reason.

use reqwest::Method;
use restartix_sdk::core::types::{Form, FormStatus, SigningMeaning, VoidForm};
use serde_json::json;
use test_support::{Actor, Answer, CoreApp, granted, in_days, refused};

use crate::{
    audit::Trail,
    form::{Answered, now, opened, save, saved, submit, submitted},
    form_amend::amending,
    form_appointment::{attached, of_appointment},
    form_frozen::{frozen, row},
    form_sign::verify,
    form_submit::{raw, sign, signing, template},
    form_template::scale,
    profile::columns,
};

/// Asks to make a form void.
pub(crate) async fn voiding(actor: &Actor, form: &Form, reason: &str) -> Answered {
    let request = VoidForm { reason: reason.to_owned(), version: form.version };
    actor.form_void().form_id(form.id).body(request).send().await
}

/// Makes a form void for any reason.
pub(crate) async fn voided(actor: &Actor, form: &Form) -> Form {
    granted(voiding(actor, form, "By mistake.").await, 200)
}

#[tokio::test]
async fn a_void_form_stays_as_it_was_beside_the_reason() {
    const REASON: &str = "Filled in for Quokka, another patient";
    let app = CoreApp::start().await;
    let (partly, signed) = frozen(&app).await;
    let specialist = app.specialist();
    for actor in [app.staff(), app.patient()] {
        refused(voiding(&actor, &signed, REASON).await, 403, "permission_denied");
    }
    let empty = Answer::to(
        specialist
            .request(Method::POST, &format!("/v1/forms/{}/void", signed.id))
            .json(&json!({ "version": signed.version, "reason": " " })),
    );
    assert_eq!(empty.await.refusal(422, "validation_failed").fields()[0].0, "/reason");
    let stale = Form { version: signed.version - 1, ..signed.clone() };
    refused(voiding(&specialist, &stale, REASON).await, 409, "stale_version");

    let other = template(&app.admin(), &[scale("pain")], &[]).await;
    let draft = opened(&specialist, other.id, signed.patient_id).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    for (actor, form) in [(&specialist, &partly), (&app.admin(), &signed), (&app.admin(), &draft)] {
        let (stored, shown) = (row(&app, form.id).await, raw(actor, form.id).await);
        let void = granted(voiding(actor, form, REASON).await, 200);
        assert_eq!((void.status, void.void_reason.as_deref()), (FormStatus::Void, Some(REASON)));
        assert!(void.voided_at.is_some());
        // The form is still there to be read, with what was signed.
        let after = raw(&app.patient(), form.id).await;
        assert_eq!((&after["values"], &after["content"]), (&shown["values"], &shown["content"]));
        assert_eq!((&after["status"], &after["signatures"]), (&json!("void"), &shown["signatures"]));
        if !form.signatures.is_empty() {
            verify(&after);
        }
        if form.status == FormStatus::Signed {
            assert_eq!(row(&app, form.id).await, stored, "the row of a signed form is not touched");
        }
        let form = now(actor, form.id).await;
        refused(save(&specialist, form.id, form.version, json!({ "pain": 9 })).await, 409, "form_void");
        refused(submit(&specialist, &form).await, 409, "form_void");
        refused(signing(&specialist, &form, SigningMeaning::Completion).await, 409, "form_void");
        refused(voiding(actor, &form, REASON).await, 409, "form_void");
        refused(amending(&specialist, &form).await, 409, "form_void");
    }
    let rows = trail.next().await;
    let voided: Vec<_> = rows.iter().filter(|row| row.action == "voided" && row.entity_type == "form").collect();
    assert_eq!(voided.len(), 3, "{rows:#?}");
    assert_eq!(columns(&app, "Quokka").await, ["public.form_voids.reason_encrypted"]);
    let listed = granted(app.staff().form_list().status(FormStatus::Void).send().await, 200);
    assert_eq!(listed.meta.total, 3);
    let listed = granted(app.staff().form_list().status(FormStatus::Signed).send().await, 200);
    assert_eq!(listed.data, []);
}

#[tokio::test]
async fn a_void_form_frees_its_template_at_the_appointment() {
    let app = CoreApp::start().await;
    let specialist = app.specialist();
    let patient = app.patient_record().await.id;
    let booked = app.appointment_create(&app.admin(), app.home().specialist_id, patient, in_days(2, 9)).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let attach = async || {
        assert_eq!(attached(&specialist, booked.id, &[template.id]).await.len(), 1, "one that counts");
        of_appointment(&specialist, booked.id).await
    };
    let first = attach().await;
    assert_eq!((first.len(), attach().await), (1, first.clone()), "once a template and appointment");
    let form = saved(&specialist, &now(&specialist, first[0]).await, json!({ "pain": 2 })).await;
    let form = submitted(&specialist, &form).await;
    let form = sign(&specialist, &form, SigningMeaning::Completion).await;
    assert_eq!(attach().await, first, "a signed one still counts");
    granted(voiding(&specialist, &form, "Wrong appointment").await, 200);
    let second = attach().await;
    assert_eq!(second.len(), 2, "{second:?}");
    assert_eq!(attach().await.len(), 2);
    assert_eq!(now(&specialist, form.id).await.appointment_id, Some(booked.id), "it is still said where it belonged");
}
