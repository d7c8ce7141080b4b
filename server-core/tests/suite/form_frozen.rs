//! Signed forms: neither the API nor anybody with SQL changes them.

use reqwest::Method;
use restartix_sdk::core::types::{Form, FormStatus, SigningMeaning};
use serde_json::json;
use sqlx::PgConnection;
use test_support::{Answer, CoreApp, granted, refused};

use crate::{
    form::{delete, migrate, opened, save, saved, submit, submitted},
    form_sign::verify,
    form_submit::{asked, filled, raw, sign, template, treated},
    form_template::scale,
    form_template_publish::run,
    rls_attack::DENIED,
};

const FROZEN: &str = "23001";
const REFERRED: &str = "23503";
const TWO: [(&str, &str); 2] = [("patient", "consent"), ("specialist", "completion")];

/// Returns the row of a form as it is stored.
pub(crate) async fn row(app: &CoreApp, form: i64) -> String {
    sqlx::query_scalar("select to_jsonb(f)::text from forms f where id = $1")
        .bind(form)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap()
}

/// Returns a form with one of two signatures, and one with both.
pub(crate) async fn frozen(app: &CoreApp) -> (Form, Form) {
    let patient = treated(app).await;
    let items = [scale("pain"), asked("weight", "decimal", false)];
    let template = template(&app.admin(), &items, &TWO).await;
    let mut forms = Vec::new();
    for _ in 0..2 {
        let form = filled(&app.patient(), &template, patient, json!({ "pain": 3, "weight": "71.5" })).await;
        forms.push(sign(&app.patient(), &form, SigningMeaning::Consent).await);
    }
    let signed = sign(&app.specialist(), &forms[1], SigningMeaning::Completion).await;
    (forms.remove(0), signed)
}

#[tokio::test]
async fn no_operation_changes_what_was_signed() {
    let app = CoreApp::start().await;
    let (partly, signed) = frozen(&app).await;
    for form in [&partly, &signed] {
        let (stored, shown) = (row(&app, form.id).await, raw(&app.admin(), form.id).await);
        for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
            refused(save(&actor, form.id, form.version, json!({ "pain": 9 })).await, 409, "form_signed");
            refused(save(&actor, form.id, form.version, json!({})).await, 409, "form_signed");
            refused(submit(&actor, form).await, 409, "form_signed");
            refused(delete(&actor, form.id).await, 409, "form_not_draft");
        }
        refused(migrate(&app.admin(), form).await, 409, "form_signed");
        let path = format!("/v1/forms/{}", form.id);
        Answer::to(app.admin().request(Method::PATCH, &path).json(&json!({}))).await.refusal(405, "method_not_allowed");
        assert_eq!(row(&app, form.id).await, stored);
        assert_eq!(raw(&app.admin(), form.id).await, shown);
    }
}

/// Sets variables of the context until the connection ends.
async fn enter(role: &mut PgConnection, context: &[(&str, &str)]) {
    let set = context.iter().map(|(name, value)| format!("set_config('app.current_{name}', '{value}', false)"));
    let sql = format!("select {}", set.collect::<Vec<_>>().join(", "));
    run(role, &sql).await.unwrap();
}

/// Statements that the application role has no right to.
const NOT_GRANTED: [&str; 16] = [
    "update forms set patient_id = patient_id",
    "update forms set form_template_id = form_template_id",
    "update forms set uid = uid",
    "update forms set data_key_id = data_key_id",
    "update forms set amends_id = null",
    "update forms set created_by_user_id = null",
    "update form_signatures set statement = '{}'",
    "delete from form_signatures",
    "update form_changes set fields = '{}'",
    "delete from form_changes",
    "update form_voids set reason_encrypted = 'x'",
    "delete from form_voids",
    "update form_answers set text_value = 'x'",
    "truncate forms",
    "truncate form_signatures",
    "truncate form_answers",
];

/// Statements that the database refuses to everybody.
const REFUSED: [&str; 10] = [
    "update forms set status = 'partly_signed', signed_at = null where status = 'signed'",
    "delete from forms",
    "update form_signatures set statement = '{}'",
    "update form_signatures set position = position + 1",
    "update form_signatures set signed_at = now()",
    "delete from form_signatures",
    "truncate forms cascade",
    "truncate form_signatures",
    "truncate patients cascade",
    "truncate form_templates cascade",
];

/// Returns changes of a form that the application role may make before it is signed.
fn changes(id: i64) -> [String; 8] {
    [
        "language = 'ro'",
        "form_template_version = form_template_version + 1",
        "due_at = now()",
        "overdue_at = now()",
        "status = 'draft', content_encrypted = null, content_hash = null, document_encrypted = 'x', \
         submitted_at = null",
        "content_encrypted = 'x'",
        "content_hash = sha256('x')",
        "submitted_at = now()",
    ]
    .map(|set| format!("update forms set {set} where id = {id}"))
}

#[tokio::test]
async fn no_statement_changes_what_was_signed() {
    let app = CoreApp::start().await;
    let (partly, signed) = frozen(&app).await;
    let before = [row(&app, partly.id).await, row(&app, signed.id).await];
    let signatures = "select count(*) from form_signatures";
    assert_eq!(app.count(signatures).await, 3);
    let (mut role, mut owner, mut superuser) =
        (app.database.app().await, app.owner().await, app.database.superuser().await);

    // The service itself, as whoever it speaks for.
    let home = app.home();
    let record = granted(app.patient().me_get().send().await, 200).patient_id.unwrap();
    for (name, user, specialist, patient) in [
        ("admin", home.admin.user_id, String::new(), String::new()),
        ("staff", home.staff.user_id, String::new(), String::new()),
        ("specialist", home.specialist.user_id, home.specialist_id.to_string(), String::new()),
        ("patient", home.patient.user_id, String::new(), record.to_string()),
    ] {
        let (organization, user) = (home.id.to_string(), user.to_string());
        let context = [
            ("org_id", organization.as_str()),
            ("user_id", user.as_str()),
            ("role", name),
            ("specialist_id", specialist.as_str()),
            ("patient_id", patient.as_str()),
        ];
        enter(&mut role, &context).await;
        for form in [&partly, &signed] {
            let there = format!("select from forms where id = {}", form.id);
            assert_eq!(run(&mut role, &there).await, Ok(1), "the {name} sees it");
            for sql in changes(form.id) {
                assert_eq!(run(&mut role, &sql).await, Err(FROZEN.to_owned()), "{name}: {sql}");
            }
            let delete = format!("delete from forms where id = {}", form.id);
            assert_eq!(run(&mut role, &delete).await, Ok(0), "{name}: nothing but drafts can be deleted");
            let answers = format!("delete from form_answers where form_id = {}", form.id);
            assert_eq!(run(&mut role, &answers).await, Ok(0), "{name}: what it says for segments stays");
        }
        for sql in NOT_GRANTED {
            assert_eq!(run(&mut role, sql).await, Err(DENIED.to_owned()), "{name}: {sql}");
        }
    }

    // The owner of the tables, and a superuser.
    for database in [&mut owner, &mut superuser] {
        for form in [&partly, &signed] {
            for sql in changes(form.id) {
                assert_eq!(run(database, &sql).await, Err(FROZEN.to_owned()), "{sql}");
            }
            for set in
                ["patient_id = patient_id + 1", "uid = gen_random_uuid()", "amends_id = id", "created_at = now()"]
            {
                let sql = format!("update forms set {set} where id = {}", form.id);
                assert_eq!(run(database, &sql).await, Err(FROZEN.to_owned()), "{sql}");
            }
            let delete = format!("delete from forms where id = {}", form.id);
            assert_eq!(run(database, &delete).await, Err(FROZEN.to_owned()));
        }
        for sql in REFUSED {
            assert_eq!(run(database, sql).await, Err(FROZEN.to_owned()), "{sql}");
        }
        for table in ["patients", "data_keys", "form_templates"] {
            let outcome = run(database, &format!("delete from {table}")).await;
            let is_refused = [FROZEN, REFERRED].iter().any(|code| outcome == Err((*code).to_owned()));
            assert!(is_refused, "{table}: {outcome:?}");
        }
    }
    assert_eq!([row(&app, partly.id).await, row(&app, signed.id).await], before);
    assert_eq!(app.count(signatures).await, 3);
    for form in [&partly, &signed] {
        verify(&raw(&app.admin(), form.id).await);
    }
    // The signature that is still to come completes it.
    assert_eq!(sign(&app.specialist(), &partly, SigningMeaning::Completion).await.status, FormStatus::Signed);
}

#[tokio::test]
async fn no_statement_signs_for_somebody_else() {
    let app = CoreApp::start().await;
    let (partly, _) = frozen(&app).await;
    let (home, admin) = (app.home().id.to_string(), app.home().admin.user_id.to_string());
    let user = app.home().patient.user_id.to_string();
    let mut role = app.database.app().await;
    let record = granted(app.patient().me_get().send().await, 200).patient_id.unwrap().to_string();
    let insert = format!(
        "insert into form_signatures (organization_id, form_id, position, statement, statement_hash, signed_at)
         values ({home}, {}, 2, '{{}}', sha256('x'), now())",
        partly.id
    );
    for (name, of, impersonator) in [("admin", &*admin, ""), ("staff", &*admin, ""), ("patient", &*user, &*admin)] {
        let context = [
            ("org_id", home.as_str()),
            ("user_id", of),
            ("role", name),
            ("patient_id", record.as_str()),
            ("impersonator_id", impersonator),
        ];
        enter(&mut role, &context).await;
        assert_eq!(run(&mut role, &insert).await, Err(DENIED.to_owned()), "{name}");
    }
    let named = insert.replace("signed_at)", "signed_at, signer_user_id)").replace("now())", "now(), 1)");
    assert_eq!(run(&mut role, &named).await, Err(DENIED.to_owned()), "the signer is whoever signs");
}

#[tokio::test]
async fn no_statement_signs_out_of_turn_or_instead_of_a_signature() {
    let app = CoreApp::start().await;
    let (partly, signed) = frozen(&app).await;
    let specialist = app.specialist();
    let draft = opened(&specialist, signed.form_template_id, signed.patient_id).await;
    let waiting = opened(&specialist, signed.form_template_id, signed.patient_id).await;
    let waiting = submitted(&specialist, &saved(&specialist, &waiting, json!({ "pain": 3 })).await).await;
    let user = app.home().specialist.user_id;
    // A signature whose statement says what it should, but for a change.
    let signature = |form: i64, position: i32, change: &str| {
        format!(
            "insert into form_signatures (organization_id, form_id, position, statement, statement_hash, signer_user_id,
                                          signed_at)
             select f.organization_id, f.id, {position},
                    jsonb_strip_nulls(jsonb_build_object(
                        'form_uid', f.uid, 'position', {position}, 'content_hash', encode(f.content_hash, 'hex'),
                        'previous_hash', (select encode(p.statement_hash, 'hex') from form_signatures p
                                          where p.form_id = f.id and p.position = {position} - 1),
                        'signer_user_id', {user}, 'signed_at', now())) {change},
                    sha256('statement'), {user}, now()
             from forms f where f.id = {form}"
        )
    };
    let mut owner = app.owner().await;
    let in_turn = format!("begin; {}; rollback", signature(partly.id, 2, ""));
    assert!(run(&mut owner, &in_turn).await.is_ok(), "the next one");
    for sql in [
        signature(draft.id, 1, ""),
        signature(waiting.id, 1, ""),
        signature(partly.id, 3, ""),
        signature(signed.id, 3, ""),
        signature(partly.id, 2, "|| '{\"form_uid\": \"another\"}'"),
        signature(partly.id, 2, "|| '{\"position\": 1}'"),
        signature(partly.id, 2, "|| '{\"content_hash\": \"00\"}'"),
        signature(partly.id, 2, "|| '{\"previous_hash\": \"00\"}'"),
        signature(partly.id, 2, "- 'previous_hash'"),
        signature(partly.id, 2, "|| '{\"signer_user_id\": 0}'"),
        signature(partly.id, 2, "|| '{\"signed_at\": \"2020-01-01T00:00:00Z\"}'"),
        format!("update forms set status = 'signed', signed_at = now() where id = {}", partly.id),
        format!(
            "update forms set status = 'partly_signed', document_encrypted = null, content_encrypted = 'x',
                              content_hash = sha256('x')
             where id = {}",
            waiting.id
        ),
    ] {
        assert_eq!(run(&mut owner, &sql).await, Err(FROZEN.to_owned()), "{sql}");
    }
    verify(&raw(&app.admin(), partly.id).await);
    assert_eq!(sign(&specialist, &partly, SigningMeaning::Completion).await.status, FormStatus::Signed);
    assert_eq!(sign(&app.patient(), &waiting, SigningMeaning::Consent).await.status, FormStatus::PartlySigned);
}
