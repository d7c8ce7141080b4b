//! Forms as personal data: exports hold every answer, erasures leave nothing that can be read, and answers are in the
//! clear nowhere.

use reqwest::Method;
use restartix_sdk::core::types::{Form, FormStatus, SigningMeaning};
use serde_json::{Value, json};
use test_support::{Answer, ClerkApi, CoreApp, granted, refused};
use uuid::Uuid;

use crate::{
    custom_field::field,
    form::{opened, save, saved, submitted},
    form_submit::{asked, body, filled, raw, sign, template, treated},
    form_template::{pinned, scale},
    form_void::voiding,
    gdpr::{clinic, exported, finished},
    profile::{Of, columns, set},
};

/// Forms in every state, each with answers of its own.
struct Forms {
    draft: Form,
    submitted: Form,
    partly: Form,
    signed: Form,
    void: Form,
}

/// Answers that are planted: in each form, in the open field of each, and as a reason.
const SECRETS: [&str; 5] = ["quokka-draft", "quokka-submitted", "quokka-partly", "quokka-signed", "quokka-void"];
const NESTED: [&str; 5] = ["numbat-draft", "numbat-submitted", "numbat-partly", "numbat-signed", "numbat-void"];
const OPEN: [&str; 5] = ["bilby-draft", "bilby-submitted", "bilby-partly", "bilby-signed", "bilby-void"];
const REASON: &str = "wombat-reason";
const PREFILLED: &str = "dingo-prefilled";

fn answers(place: usize) -> Value {
    let entry = Uuid::from_u128(0xD0 + place as u128).to_string();
    json!({
        "secret": SECRETS[place], "open": OPEN[place], "pain": 6,
        "drugs": { entry: { "name": NESTED[place] } },
    })
}

/// Fills in forms about a patient whom the specialist treats.
async fn plant(app: &CoreApp, patient: i64) -> Forms {
    let (admin, person, specialist) = (app.admin(), app.patient(), app.specialist());
    let kept = field(&admin, "patient", "kept", json!({ "phi": true })).await;
    set(&admin, Of::Patient(patient), 0, json!({ "kept": PREFILLED })).await;
    let mut prefilled = pinned("kept", kept.id, 1);
    prefilled["field"]["prefill"] = json!({ "profile": "kept" });
    let drugs = json!({ "key": "drugs", "group": {
        "label": "Drugs", "max_entries": 5, "items": [asked("name", "text", true)],
    } });
    let items = [asked("secret", "text", true), asked("open", "text", false), scale("pain"), drugs, prefilled];
    let template = template(&admin, &items, &[("patient", "consent"), ("specialist", "completion")]).await;
    let draft = opened(&person, template.id, patient).await;
    let draft = saved(&person, &draft, answers(0)).await;
    let waiting = filled(&person, &template, patient, answers(1)).await;
    let mut signed = Vec::new();
    for place in [2, 3, 4] {
        let form = filled(&person, &template, patient, answers(place)).await;
        signed.push(sign(&person, &form, SigningMeaning::Consent).await);
    }
    for form in &mut signed[1..] {
        *form = sign(&specialist, form, SigningMeaning::Completion).await;
    }
    let void = granted(voiding(&specialist, &signed[2], REASON).await, 200);
    Forms { draft, submitted: waiting, partly: signed.remove(0), signed: signed.remove(0), void }
}

#[tokio::test]
async fn protected_answers_are_sealed_wherever_they_are() {
    const DOCUMENT: &str = "public.forms.document_encrypted";
    const CONTENT: &str = "public.forms.content_encrypted";
    let app = CoreApp::start().await;
    let patient = treated(&app).await;
    plant(&app, patient).await;
    for (place, sealed) in [DOCUMENT, DOCUMENT, CONTENT, CONTENT, CONTENT].into_iter().enumerate() {
        for planted in [SECRETS[place], NESTED[place]] {
            assert_eq!(columns(&app, planted).await, [sealed], "{planted}");
        }
        // A draft states nothing for segments; what is not protected is in the clear from the submission on.
        let expected = if place == 0 { vec![sealed] } else { vec!["public.form_answers.text_value", sealed] };
        assert_eq!(columns(&app, OPEN[place]).await, expected);
    }
    assert_eq!(columns(&app, REASON).await, ["public.form_voids.reason_encrypted"]);
    let prefilled = columns(&app, PREFILLED).await;
    assert_eq!(prefilled, [CONTENT, DOCUMENT, "public.profile_values.value_encrypted"]);
    let typed: Vec<String> =
        sqlx::query_scalar("select distinct key from form_answers").fetch_all(&mut app.owner().await).await.unwrap();
    assert_eq!(typed, ["open"], "nothing that is protected");
}

#[tokio::test]
async fn the_hash_of_a_content_tells_nothing_of_its_few_possible_answers() {
    let app = CoreApp::start().await;
    let (patient, specialist) = (treated(&app).await, app.specialist());
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let mut salts = Vec::new();
    for _ in 0..2 {
        let form = filled(&specialist, &template, patient, json!({ "pain": 3 })).await;
        sign(&specialist, &form, SigningMeaning::Completion).await;
        let content = raw(&specialist, form.id).await["content"].clone();
        salts.push(body::<Uuid>(content["salt"].clone()));
    }
    assert_ne!(salts[0], salts[1]);
    for salt in salts {
        let found = columns(&app, &salt.to_string()).await;
        assert_eq!(found, ["public.forms.content_encrypted"], "it is destroyed with the answers");
    }
}

#[tokio::test]
async fn an_export_holds_every_answer_and_reason() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let app = &clinic.core;
    let patient = treated(app).await;
    let forms = plant(app, patient).await;
    // More than a page of an export.
    let many: Vec<String> = (0..6).map(|number| format!("quoll-{number}")).collect();
    for answer in &many {
        let form = opened(&app.admin(), forms.draft.form_template_id, patient).await;
        saved(&app.admin(), &form, json!({ "secret": answer })).await;
    }
    let other = app.patient_create(&app.admin(), "Other", "Patient").await.id;
    let template = template(&app.admin(), &[asked("secret", "text", true)], &[]).await;
    let form = opened(&app.admin(), template.id, other).await;
    saved(&app.admin(), &form, json!({ "secret": "somebody-elses" })).await;

    let document = exported(&app.admin(), patient).await;
    for planted in SECRETS.iter().chain(&NESTED).chain(&OPEN).chain(&[REASON, PREFILLED]) {
        assert!(document.contains(planted), "{planted} is not in the export: {document}");
    }
    assert!(many.iter().all(|answer| document.contains(answer)), "an export has every page: {document}");
    assert!(!document.contains("somebody-elses"));
    let whole: Value = serde_json::from_str(&document).unwrap();
    let rows = |table: &str| {
        let holdings = whole["core"].as_array().unwrap().iter().filter(|holding| holding["table"] == table);
        holdings.map(|holding| holding["rows"].as_array().unwrap().len()).sum::<usize>()
    };
    for table in ["form_answers", "form_signatures", "form_voids"] {
        assert!(rows(table) > 0, "{table} is not in the export");
    }
    assert!(rows("forms") >= 5 + many.len(), "each form is in the export");
}

#[tokio::test]
async fn an_erasure_leaves_what_was_signed_standing_and_unreadable() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let patient = treated(app).await;
    let forms = plant(app, patient).await;
    let frozen = |rows: &'static str| async move {
        let sql = format!("select {rows} from forms f where status in ('partly_signed', 'signed')");
        sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut app.owner().await)
            .await
            .unwrap()
    };
    let standing = frozen("jsonb_agg(to_jsonb(f) order by id)::text").await;
    let signatures = "select count(*) from form_signatures";
    assert_eq!(app.count(signatures).await, 5);

    let asked = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert!(job.receipt.iter().any(|item| item.table == "forms"), "{:?}", job.receipt);
    for planted in SECRETS.iter().chain(&NESTED).chain(&OPEN).chain(&[REASON, PREFILLED]) {
        assert_eq!(app.search(planted).await, Vec::new(), "{planted}");
    }
    let left = "select count(*) from forms where status in ('draft', 'submitted')";
    assert_eq!(app.count(left).await, 0, "what nobody has signed is gone");
    assert_eq!(app.count("select count(*) from form_answers").await, 0);
    let after = frozen("jsonb_agg(to_jsonb(f) order by id)::text").await;
    assert_eq!(after, standing, "what was signed stands");
    assert_eq!(app.count(signatures).await, 5);
    for form in [&forms.draft, &forms.submitted] {
        refused(admin.form_get().form_id(form.id).send().await, 404, "form_not_found");
        refused(save(&admin, form.id, form.version, json!({ "pain": 1 })).await, 404, "form_not_found");
    }
    for (form, code) in [(&forms.partly, "form_signed"), (&forms.signed, "form_signed"), (&forms.void, "form_void")] {
        refused(admin.form_get().form_id(form.id).send().await, 404, "form_erased");
        refused(save(&admin, form.id, form.version, json!({ "pain": 1 })).await, 409, code);
    }
    granted(admin.form_list().send().await, 200);
    granted(admin.form_list().status(FormStatus::Signed).send().await, 200);
}

#[tokio::test]
async fn neither_logs_nor_the_trail_repeat_answers() {
    let app = CoreApp::builder().env("LOG_LEVEL", "debug").start().await;
    let patient = treated(&app).await;
    let forms = plant(&app, patient).await;
    let staff = app.staff();
    // Refused ones neither.
    let wrong = json!({ "pain": "quokka-wrong", "quokka-key": 1, "secret": ["quokka-list"] });
    let refusal = refused(save(&staff, forms.draft.id, forms.draft.version, wrong).await, 422, "validation_failed");
    assert!(!refusal.message.contains("quokka") && !refusal.details.to_string().contains("quokka-wrong"));
    let saved = saved(&staff, &forms.draft, json!({ "secret": "quokka-second" })).await;
    let conflict = save(&staff, forms.draft.id, forms.draft.version, json!({ "secret": "quokka-third" })).await;
    let conflict = refused(conflict, 409, "stale_version");
    assert!(!conflict.details.to_string().contains("quokka"), "a conflict names fields, not answers");
    refused(
        save(&staff, forms.signed.id, forms.signed.version, json!({ "secret": "quokka-late" })).await,
        409,
        "form_signed",
    );
    let path = format!("/v1/forms/{}", forms.draft.id);
    let cut_off = staff.request(Method::PUT, &path).header("content-type", "application/json");
    Answer::to(cut_off.body(r#"{"values": {"secret": "quokka-cut"#)).await.refusal(400, "malformed_json");
    submitted(&staff, &saved).await;
    granted(staff.form_write_back_get().form_id(forms.signed.id).send().await, 200);
    granted(staff.form_history_list().form_id(forms.signed.id).send().await, 200);
    let fill: restartix_sdk::core::types::CreateForm =
        body(json!({ "form_template_id": forms.draft.form_template_id, "patient_id": patient }));
    granted(staff.form_create().body(fill).send().await, 201);

    let log = app.server.log();
    let trail: Vec<String> = sqlx::query_scalar(
        "select to_jsonb(l)::text || coalesce(to_jsonb(p)::text, '')
         from audit_log l left join audit_personal p on p.audit_id = l.id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert!(trail.len() > 20 && log.contains("\"operation\""), "there is something to look through");
    for planted in ["quokka", "numbat", "bilby", "wombat", "dingo"] {
        assert!(!log.to_lowercase().contains(planted), "{planted} is in the log");
        let said: Vec<_> = trail.iter().filter(|row| row.contains(planted)).collect();
        assert!(said.is_empty(), "{planted} is in the trail: {said:?}");
    }
}
