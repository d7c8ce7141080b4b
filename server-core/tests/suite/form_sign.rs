//! `POST /v1/forms/{id}/sign`: who signs, in which order, and what the hashes prove.

use restartix_sdk::core::types::{BeginImpersonation, Form, FormStatus, Scope, SigningMeaning};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, refused};

use crate::{
    audit::Trail,
    form::{opened, save, saved, submitted, values},
    form_submit::{asked, body, filled, raw, required, sign, signing, template, treated},
    form_template::{pinned, redraft, scale},
    form_template_publish::{hash, publish},
    profile::{Of, get, set},
};

/// A patient's consent, then a specialist's completion and review.
const SIGNERS: [(&str, &str); 3] = [("patient", "consent"), ("specialist", "completion"), ("specialist", "review")];

/// Checks the hashes of a form as anybody can: by the answer alone.
pub(crate) fn verify(form: &Value) {
    assert_eq!(hash(&form["content"]), form["content_hash"].as_str().unwrap());
    let mut previous = Value::Null;
    for (place, signature) in form["signatures"].as_array().unwrap().iter().enumerate() {
        let statement = &signature["statement"];
        assert_eq!(hash(statement), signature["hash"].as_str().unwrap(), "{statement:#}");
        assert_eq!(statement["position"], json!(place + 1));
        assert_eq!(statement["content_hash"], form["content_hash"]);
        assert_eq!(statement["form_uid"], form["uid"]);
        assert_eq!(statement["previous_hash"], previous, "each one refers to the one before");
        previous = signature["hash"].clone();
    }
}

/// Asserts that somebody can't sign with a meaning because it is somebody else's turn.
async fn not_next(actor: &Actor, form: &Form, meaning: SigningMeaning, next: (&str, &str)) {
    let refusal = refused(signing(actor, form, meaning).await, 409, "form_signature_not_next");
    assert_eq!(refusal.details["next"], json!({ "signer": next.0, "meaning": next.1 }));
}

#[tokio::test]
async fn signatures_are_given_in_their_order_and_meaning() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &SIGNERS).await;
    let (person, specialist) = (app.patient(), app.specialist());
    let draft = opened(&person, template.id, patient).await;
    refused(signing(&person, &draft, SigningMeaning::Consent).await, 409, "form_not_submitted");
    let form = saved(&person, &draft, json!({ "pain": 3 })).await;
    let form = submitted(&person, &form).await;
    for meaning in [SigningMeaning::Completion, SigningMeaning::Review, SigningMeaning::Consent] {
        not_next(&specialist, &form, meaning, SIGNERS[0]).await;
    }
    not_next(&person, &form, SigningMeaning::Completion, SIGNERS[0]).await;
    refused(signing(&person, &draft, SigningMeaning::Consent).await, 409, "stale_version");
    let partly = sign(&person, &form, SigningMeaning::Consent).await;
    assert_eq!((partly.status, partly.version), (FormStatus::PartlySigned, form.version + 1));
    assert!(partly.content_hash.is_some() && partly.signed_at.is_none());
    assert_eq!(partly.submitted_at, form.submitted_at);
    not_next(&person, &partly, SigningMeaning::Consent, SIGNERS[1]).await;
    not_next(&specialist, &partly, SigningMeaning::Review, SIGNERS[1]).await;
    let completed = sign(&specialist, &partly, SigningMeaning::Completion).await;
    assert_eq!(completed.status, FormStatus::PartlySigned);
    let signed = sign(&specialist, &completed, SigningMeaning::Review).await;
    assert_eq!(signed.status, FormStatus::Signed);
    assert!(signed.signed_at.is_some());
    refused(signing(&specialist, &signed, SigningMeaning::Review).await, 409, "form_signed");
    let made: Vec<_> = signed
        .signatures
        .iter()
        .map(|signature| {
            let statement = &signature.statement;
            (statement.signer_user_id, statement.signer.to_string(), statement.meaning.to_string())
        })
        .collect();
    let (patient, specialist) = (app.home().patient.user_id, app.home().specialist.user_id);
    let expected = [(patient, SIGNERS[0]), (specialist, SIGNERS[1]), (specialist, SIGNERS[2])]
        .map(|(user, (signer, meaning))| (user, signer.to_owned(), meaning.to_owned()));
    assert_eq!(made, expected);
}

#[tokio::test]
async fn without_signers_a_specialist_completes_the_form() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let form = filled(&app.patient(), &template, patient, json!({ "pain": 3 })).await;
    not_next(&app.patient(), &form, SigningMeaning::Completion, ("specialist", "completion")).await;
    let signed = sign(&app.specialist(), &form, SigningMeaning::Completion).await;
    assert_eq!((signed.status, signed.signatures.len()), (FormStatus::Signed, 1));
}

#[tokio::test]
async fn nobody_else_signs_for_anybody() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &SIGNERS).await;
    let form = filled(&app.staff(), &template, patient, json!({ "pain": 3 })).await;
    for actor in [app.admin(), app.staff()] {
        refused(signing(&actor, &form, SigningMeaning::Consent).await, 403, "permission_denied");
    }
    let program = app.program(&[Scope::FormsRead, Scope::FormsWrite]).await;
    refused(signing(&program, &form, SigningMeaning::Consent).await, 403, "permission_denied");
    refused(signing(&app.other_admin(), &form, SigningMeaning::Consent).await, 403, "permission_denied");
    // An administrator who acts as the patient fills in for it, and doesn't sign for it.
    let reason = BeginImpersonation { minutes: None, reason: "Called on the phone".to_owned() };
    let begun = granted(app.admin().patient_impersonate().patient_id(patient).body(reason).send().await, 201);
    let acting = app.admin().holding(&begun.token);
    refused(signing(&acting, &form, SigningMeaning::Consent).await, 403, "signing_impersonated");
    let form = saved(&acting, &form, json!({ "pain": 4 })).await;
    let form = submitted(&acting, &form).await;
    // Another patient, and a specialist who doesn't treat this one, find no such form.
    let stranger = app.member_add(test_support::Role::Patient).await;
    app.patient_of(&stranger, CoreApp::new_patient("Some", "Stranger")).await;
    let colleague = app.member_add(test_support::Role::Specialist).await;
    for person in [&stranger, &colleague] {
        let answered = signing(&app.actor(person), &form, SigningMeaning::Consent).await;
        refused(answered, 404, "form_not_found");
    }
    assert_eq!(app.count("select count(*) from form_signatures").await, 0);
    assert_eq!(sign(&app.patient(), &form, SigningMeaning::Consent).await.status, FormStatus::PartlySigned);
}

#[tokio::test]
async fn the_hashes_are_those_of_the_answer() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let drugs = json!({ "key": "drugs", "group": { "label": "Drugs", "max_entries": 5, "items": [
        asked("dose", "decimal", true), asked("name", "text", true),
    ] } });
    let score = json!({ "key": "half", "score": {
        "label": "Half", "formula": "sum", "inputs": [{ "key": "pain" }], "divisor": "2", "decimals": 1,
    } });
    let mut surname = asked("surname", "text", true);
    surname["field"]["prefill"] = json!({ "patient": "last_name" });
    let items = [
        scale("pain"),
        asked("note", "long_text", true),
        drugs,
        score,
        surname,
        required(asked("smokes", "boolean", true)),
    ];
    let template = template(&admin, &items, &SIGNERS).await;
    let form = opened(&specialist, template.id, patient).await;
    let entry = uuid::Uuid::from_u128(0xC1).to_string();
    let given = json!({
        "pain": 7, "note": "Durere „acută” 😀 \\ \"acum\"\n<ß> €", "smokes": false,
        "drugs": { &entry: { "dose": "0.250", "name": "Ibuprofen" } },
    });
    let form = saved(&specialist, &form, given).await;
    let form = submitted(&specialist, &form).await;
    let partly = sign(&app.patient(), &form, SigningMeaning::Consent).await;
    let first = raw(&specialist, form.id).await;
    verify(&first);

    // The content is what was shown.
    let content = &first["content"];
    let version = granted(admin.form_template_version_get().form_template_id(template.id).version(1).send().await, 200);
    assert_eq!(content["template_hash"], json!(version.content_hash));
    assert_eq!((&content["form_template_id"], &content["form_template_version"]), (&json!(template.id), &json!(1)));
    assert_eq!((&content["form_uid"], &content["language"]), (&first["uid"], &json!("en")));
    assert_eq!((&content["name"], &content["patient_id"]), (&first["name"], &json!(patient)));
    assert_eq!(content["values"], first["values"]);
    assert_eq!(content["values"]["drugs"], json!([{ "id": entry, "dose": "0.25", "name": "Ibuprofen" }]));
    assert_eq!(content["scores"], json!([{ "key": "half", "state": "scored", "value": "3.5" }]));
    assert_eq!(content["scores"], first["evaluation"]["scores"]);
    assert_eq!(content["prefilled"], first["prefilled"]);
    assert_eq!(content["prefilled"]["surname"]["patient"], "last_name");
    assert!(content.get("amends").is_none());

    // The first hash stays, and verifies, after the others.
    let completed = sign(&specialist, &partly, SigningMeaning::Completion).await;
    sign(&specialist, &completed, SigningMeaning::Review).await;
    let last = raw(&specialist, form.id).await;
    verify(&last);
    assert_eq!((&last["content"], &last["content_hash"]), (content, &first["content_hash"]));
    assert_eq!(last["signatures"][0], first["signatures"][0]);
    assert_eq!(last["signatures"].as_array().unwrap().len(), 3);
    // Everybody who reads the form gets the same proof.
    for reader in [app.patient(), app.staff(), app.admin()] {
        let read = raw(&reader, form.id).await;
        verify(&read);
        assert_eq!(read["content"], last["content"]);
    }
}

#[tokio::test]
async fn nothing_is_filled_in_or_computed_afterwards() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let patient = treated(&app).await;
    let field = crate::form_template::custom_field(&admin, "allergies").await;
    set(&admin, Of::Patient(patient), 0, json!({ "allergies": "Latex" })).await;
    let mut allergies = pinned("allergies", field, 1);
    allergies["field"]["prefill"] = json!({ "profile": "allergies" });
    let mut name = asked("name", "text", true);
    name["field"]["prefill"] = json!({ "patient": "last_name" });
    let score =
        json!({ "key": "total", "score": { "label": "Total", "formula": "sum", "inputs": [{ "key": "pain" }] } });
    let template = template(&admin, &[scale("pain"), allergies, name, score], &[]).await;
    let form = opened(&specialist, template.id, patient).await;
    assert_eq!(values(&form), json!({ "allergies": "Latex", "name": "Own" }));
    // An answer that was taken away stays away.
    let form = saved(&specialist, &form, json!({ "pain": 3, "name": null })).await;
    assert!(!form.prefilled.contains_key("name") && form.prefilled.contains_key("allergies"));
    let form = submitted(&specialist, &form).await;
    assert_eq!(values(&form), json!({ "pain": 3, "allergies": "Latex" }));
    let signed = sign(&specialist, &form, SigningMeaning::Completion).await;
    assert_eq!(values(&signed), values(&form));
    let before = raw(&specialist, form.id).await;

    // Neither the profile, the record, the field nor the template changes what was signed.
    let profile = get(&admin, Of::Patient(patient)).await;
    set(&admin, Of::Patient(patient), profile.version, json!({ "allergies": "Nuts" })).await;
    let record = granted(admin.patient_get().patient_id(patient).send().await, 200);
    let change = restartix_sdk::core::types::UpdatePatient {
        last_name: "Changed".to_owned(),
        ..crate::patient::unchanged(&record)
    };
    granted(admin.patient_update().patient_id(patient).body(change).send().await, 200);
    let mut other = scale("pain");
    other["field"]["definition"]["label"] = json!("Something else");
    let changed = redraft(&admin, &template, &crate::form_template::definition(&[other])).await;
    publish(&admin, &changed).await;
    granted(admin.custom_field_delete().custom_field_id(field).send().await, 204);
    let after = raw(&specialist, form.id).await;
    assert_eq!(after, before);
    verify(&after);
    assert_eq!(after["evaluation"]["scores"], after["content"]["scores"]);
}

#[tokio::test]
async fn a_statement_says_when_and_by_whom_and_addresses_are_only_in_the_trail() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template =
        template(&app.admin(), &[scale("pain")], &[("patient", "consent"), ("specialist", "completion")]).await;
    let form = filled(&app.patient(), &template, patient, json!({ "pain": 3 })).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let before = chrono::Utc::now();
    let partly = sign(&app.patient(), &form, SigningMeaning::Consent).await;
    sign(&app.specialist(), &partly, SigningMeaning::Completion).await;
    let read = raw(&app.admin(), form.id).await;
    for signature in read["signatures"].as_array().unwrap() {
        let statement = &signature["statement"];
        let at: chrono::DateTime<chrono::Utc> = body(statement["signed_at"].clone());
        assert!((at - before).abs() < chrono::TimeDelta::minutes(1), "{statement:#}");
        let allowed = [
            "form_uid",
            "position",
            "content_hash",
            "previous_hash",
            "signer_user_id",
            "signer",
            "meaning",
            "signed_at",
            "authentication_age_seconds",
        ];
        let named: Vec<_> =
            statement.as_object().unwrap().keys().filter(|key| !allowed.contains(&key.as_str())).collect();
        assert!(named.is_empty(), "{named:?}");
    }
    let rows = trail.next().await;
    let said: Vec<_> = rows
        .iter()
        .filter(|row| row.operation_id == "form_sign" && row.entity_type == "form" && row.action != "read")
        .map(|row| (row.action.as_str(), row.actor_user_id, row.ip.as_deref()))
        .collect();
    let (person, specialist) = (app.home().patient.user_id, app.home().specialist.user_id);
    for (action, signer) in [("signature_added", person), ("signature_added", specialist), ("signed", specialist)] {
        let expected = (action, Some(signer), Some("127.0.0.1"));
        assert!(said.contains(&expected), "{expected:?}: {said:?}");
    }
    assert_eq!(said.len(), 3, "{said:?}");
    let stored: Vec<String> = sqlx::query_scalar("select statement::text from form_signatures order by position")
        .fetch_all(&mut app.owner().await)
        .await
        .unwrap();
    assert!(stored.iter().all(|statement| !statement.contains("127.0.0.1")));
}

#[tokio::test]
async fn of_two_who_sign_or_save_at_once_one_does() {
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    for round in 0..8 {
        let form = filled(&app.staff(), &template, patient, json!({ "pain": 3 })).await;
        let (specialist, staff) = (app.specialist(), app.staff());
        let (signed, again, saved) = tokio::join!(
            signing(&specialist, &form, SigningMeaning::Completion),
            signing(&specialist, &form, SigningMeaning::Completion),
            save(&staff, form.id, form.version, json!({ "pain": 9 })),
        );
        let done = [signed.is_ok(), again.is_ok(), saved.is_ok()].into_iter().filter(|is_done| *is_done).count();
        assert_eq!(done, 1, "round {round}: {signed:?} {again:?} {saved:?}");
        let read = raw(&app.admin(), form.id).await;
        if saved.is_ok() {
            assert_eq!((&read["status"], &read["values"]["pain"]), (&json!("draft"), &json!(9)));
        } else {
            assert_eq!((&read["status"], &read["values"]["pain"]), (&json!("signed"), &json!(3)));
            verify(&read);
        }
    }
}
