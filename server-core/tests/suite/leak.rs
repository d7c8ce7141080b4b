//! Sealed values and secrets appear neither in the database dump nor in the logs.

use reqwest::Method;
use restartix_sdk::core::types::{BeginImpersonation, CreatePatient, SigningMeaning, UpdatePatient};
use serde_json::json;
use test_support::{Answer, Clinic, CoreApp, Issuer, Stack, granted, in_days, refused, until};
use uuid::Uuid;

use crate::{
    custom_field::field,
    export::wanted,
    form::{opened, save, saved},
    form_submit::{asked, filled, sign, template},
    form_template::{custom_field, pinned},
    form_void::voiding,
    patient::unchanged,
    profile::{Of, set},
};

/// Returns a patient with a unique value in every encrypted column.
fn planted() -> CreatePatient {
    CreatePatient {
        address: Some("9917 Planted-Address Row".to_owned()),
        clinical_notes: Some("planted-clinical-note".to_owned()),
        date_of_birth: "1931-07-23".parse().ok(),
        email: Some("planted-email@example.org".to_owned()),
        emergency_contact: Some("Planted-Contact Person".to_owned()),
        national_id: Some("PLANTEDID777".to_owned()),
        phone: Some("+49 555 0199887".to_owned()),
        ..CoreApp::new_patient("Visible", "Clearname")
    }
}

/// Values that must not be readable, in every spelling they could have.
const PLANTED: [&str; 10] = [
    "planted-address",
    "planted-clinical-note",
    "1931-07-23",
    "planted-email",
    "planted-contact",
    "plantedid777",
    "+49 555 0199887",
    "+495550199887",
    "5550199887",
    "555 0199887",
];

fn readable(text: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    PLANTED.into_iter().filter(|planted| text.contains(planted)).collect()
}

/// Returns the hexadecimal form in which `pg_dump` writes bytes.
fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Fills in forms about a patient whom the specialist treats: a draft, one that waits for its signature, and a signed
/// one that is void, with a value in every answer and in the reason.
async fn forms(app: &CoreApp, patient: i64) {
    let (admin, specialist) = (app.admin(), app.specialist());
    let contacts = json!({ "key": "contacts", "group": {
        "label": "Contacts", "max_entries": 5, "items": [asked("contact", "text", true)],
    } });
    let mut health = pinned("health", custom_field(&admin, "asked_health").await, 1);
    health["field"]["write_back"] = json!(true);
    let mut address = asked("address", "long_text", true);
    address["field"]["prefill"] = json!({ "patient": "address" });
    let items = [
        asked("note", "long_text", true),
        asked("birth", "date", true),
        asked("mail", "email", true),
        asked("phone", "phone", true),
        contacts,
        health,
        address,
    ];
    let template = template(&admin, &items, &[]).await;
    let entry = Uuid::from_u128(0xE1).to_string();
    let values = json!({
        "note": "planted-clinical-note", "birth": "1931-07-23", "mail": "planted-email@example.org",
        "phone": "+49 555 0199887", "contacts": { entry: { "contact": "Planted-Contact Person" } },
        "health": "PLANTEDID777",
    });
    let draft = opened(&specialist, template.id, patient).await;
    assert!(draft.prefilled.contains_key("address"), "the address of the record is in it, too");
    let draft = saved(&specialist, &draft, values.clone()).await;
    filled(&specialist, &template, patient, values.clone()).await;
    let signed = filled(&specialist, &template, patient, values).await;
    let signed = sign(&specialist, &signed, SigningMeaning::Completion).await;
    granted(voiding(&specialist, &signed, "planted-contact").await, 200);
    refused(
        save(&specialist, signed.id, signed.version, json!({ "note": "planted-clinical-note" })).await,
        409,
        "form_void",
    );
    let wrong = json!({ "birth": "planted-email", "planted-contact": 1, "note": ["planted-clinical-note"] });
    refused(save(&specialist, draft.id, draft.version, wrong).await, 422, "validation_failed");
}

#[tokio::test]
async fn a_dump_of_the_database_holds_no_value_in_clear() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = granted(admin.patient_create().body(planted()).send().await, 201);
    let change = UpdatePatient { last_name: "Clearer".to_owned(), ..unchanged(&patient) };
    granted(admin.patient_update().patient_id(patient.id).body(change).send().await, 200);
    granted(staff.patient_list().email("planted-email@example.org").send().await, 200);
    let mut booking = CoreApp::new_appointment(app.home().specialist_id, patient.id, in_days(2, 9));
    booking.title = Some("planted-contact".to_owned());
    granted(staff.appointment_create().body(booking).send().await, 201);
    let mut series = CoreApp::new_series(app.home().specialist_id, patient.id, in_days(3, 9), CoreApp::daily(2));
    series.title = Some("planted-contact".to_owned());
    granted(staff.appointment_series_create().body(series).send().await, 201);
    field(&admin, "patient", "health", json!({ "field_type": "long_text", "phi": true })).await;
    set(&admin, Of::Patient(patient.id), 0, json!({ "health": "planted-clinical-note" })).await;
    forms(&app, patient.id).await;
    let of_patient = wanted(json!({ "patients": { "email": "planted-email@example.org" } }));
    granted(admin.export_job_create().body(of_patient).send().await, 202);
    let record = app.patient_record().await.id;
    let body = BeginImpersonation { minutes: None, reason: "planted-contact".to_owned() };
    granted(admin.patient_impersonate().patient_id(record).body(body).send().await, 201);

    // Every encrypted column must have a planted value; a new column without one fails here.
    let empty: Vec<String> = sqlx::query_scalar(
        "select a.attname::text from pg_attribute a
         where a.attrelid = 'patients'::regclass and a.attname like '%\\_encrypted'
           and not exists (select from patients p where to_jsonb(p) ->> a.attname::text is not null)",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(empty, [] as [&str; 0], "encrypted columns that nothing is planted in");
    let sealed: Vec<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
         where a.attname like '%\\_encrypted' and c.relkind = 'r' and c.relname <> 'patients' order by 1",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let planted_in = [
        "appointment_series.title_encrypted",
        "appointments.title_encrypted",
        "exports.request_encrypted",
        "form_voids.reason_encrypted",
        "forms.content_encrypted",
        "forms.document_encrypted",
        "impersonations.reason_encrypted",
        // See gdpr/planting and clerk.rs.
        "invitations.email_encrypted",
        "profile_values.value_encrypted",
        "users.email_encrypted",
    ];
    assert_eq!(sealed, planted_in, "encrypted columns that no test plants in");

    let dump = app.database.dump();
    let text = String::from_utf8_lossy(&dump);
    assert!(text.contains("Visible") && text.contains("Clearer"), "names are in clear: the dump has the patient");
    assert_eq!(readable(&dump), [] as [&str; 0]);
    for planted in PLANTED {
        assert!(!text.contains(&hexadecimal(planted)), "{planted} is in the dump as hexadecimal");
    }
    for key in ["ENCRYPTION_KEY", "BLIND_INDEX_KEY"] {
        assert!(!text.contains(&app.server.environment()[key]), "{key} is in the dump");
    }
}

#[tokio::test]
async fn the_logs_hold_no_value_token_or_key() {
    let clinic = Clinic::start_with(CoreApp::builder().env("LOG_LEVEL", "debug")).await;
    let app = &clinic.core;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = granted(admin.patient_create().body(planted()).send().await, 201);
    refused(admin.patient_create().body(planted()).send().await, 409, "patient_email_taken");
    let bad = CreatePatient { phone: Some("planted-email and no phone".to_owned()), ..planted() };
    refused(admin.patient_create().body(bad).send().await, 422, "validation_failed");
    let stale = UpdatePatient { version: 9, ..unchanged(&patient) };
    refused(admin.patient_update().patient_id(patient.id).body(stale).send().await, 409, "stale_version");
    app.appointment_create(&admin, app.home().specialist_id, patient.id, in_days(4, 9)).await;
    forms(app, patient.id).await;
    granted(staff.patient_list().email("planted-email@example.org").phone("+49 555 0199887").send().await, 200);
    granted(staff.patient_list().national_id("PLANTEDID777").search("planted-contact").send().await, 200);
    for path in
        ["/v1/patients?planted-email=1", "/v1/planted-email", "/v1/patients/planted-email", "/.env?planted-email"]
    {
        let answer = Answer::to(staff.request(Method::GET, path)).await;
        assert!(answer.status.is_client_error(), "{path}");
    }
    let cut_off = staff.request(Method::POST, "/v1/patients").header("content-type", "application/json");
    Answer::to(cut_off.body(r#"{"email": "planted-email@example.org"#)).await.refusal(400, "malformed_json");
    let agent = staff.request(Method::GET, "/v1/me").header("user-agent", "planted-contact");
    let agent = agent.header("x-request-id", "planted-contact");
    Answer::to(agent).await.json(200);
    let method = Method::from_bytes(b"PLANTED-CONTACT").unwrap();
    assert!(Answer::to(staff.request(method, "/v1/me")).await.status.is_client_error());
    let token = granted(staff.me_telemetry_token_create().send().await, 201).token;
    granted(clinic.telemetry.client(&token).consent_get().send().await, 200);
    let forged = format!("{}x", admin.token());
    let refused = Answer::to(
        reqwest::Client::builder().build().unwrap().get(format!("{}/v1/me", app.url())).bearer_auth(&forged),
    );
    refused.await.refusal(401, "invalid_token");
    until("the audit rows have gone to Telemetry", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from audit_outbox").await == 0).then_some(())
    })
    .await;

    for (name, server) in [("Core", &app.server), ("Telemetry", &clinic.telemetry.server)] {
        let log = server.log();
        assert!(log.contains("\"operation\""), "{name} logs its requests: {log}");
        assert_eq!(readable(log.as_bytes()), [] as [&str; 0], "{name} logs what a caller sent");
        let mut secrets: Vec<(String, String)> = vec![
            ("a session token".to_owned(), admin.token().to_owned()),
            ("a session token".to_owned(), staff.token().to_owned()),
            ("a telemetry token".to_owned(), token.clone()),
            ("the issuer's key".to_owned(), Issuer::pem().lines().nth(1).unwrap().to_owned()),
            ("the service token".to_owned(), Stack::get().telemetry_internal_token.clone()),
        ];
        for (variable, value) in server.environment() {
            let secret =
                ["KEY", "TOKEN", "SECRET", "DATABASE", "CLICKHOUSE"].iter().any(|part| variable.contains(part));
            if secret && value.len() >= 16 {
                secrets.push((variable.clone(), value.clone()));
            }
        }
        assert!(secrets.len() > 8, "{secrets:?}");
        for (what, secret) in secrets {
            assert!(!log.contains(&secret), "{name} logs {what}");
        }
        // The check includes the readable parts of the tokens.
        for token in [admin.token(), staff.token(), token.as_str()] {
            let payload = token.split('.').nth(1).unwrap();
            assert!(!log.contains(payload), "{name} logs the claims of a token");
        }
    }
}
