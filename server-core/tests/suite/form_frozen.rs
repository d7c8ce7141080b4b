//! Signed forms: neither the API nor anybody with SQL changes them. They are corrected by another form, or made void by
//! a row beside them.

use reqwest::Method;
use restartix_sdk::core::types::{
    AttachForms, Form, FormStatus, FormVersionInput, MigrateForm, SigningMeaning, VoidForm,
};
use serde_json::json;
use test_support::{Actor, Answer, CoreApp, granted, refused};

use crate::{
    audit::Trail,
    form::{Answered, now, opened, save, saved, submit, submitted, values},
    form_sign::verify,
    form_submit::{as_read, asked, body, filled, raw, sign, signing, template, treated},
    form_template::scale,
    form_template_publish::run,
};

const DENIED: &str = "42501";
const FROZEN: &str = "23001";
const REFERRED: &str = "23503";
const TWO: [(&str, &str); 2] = [("patient", "consent"), ("specialist", "completion")];

/// Returns the row of a form as it is stored.
async fn row(app: &CoreApp, form: i64) -> String {
    sqlx::query_scalar("select to_jsonb(f)::text from forms f where id = $1")
        .bind(form)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap()
}

/// Asks for an amendment.
pub(crate) async fn amending(actor: &Actor, form: &Form) -> Answered {
    actor.form_amend().form_id(form.id).body(as_read(form)).send().await
}

/// Asks to make a form void.
pub(crate) async fn voiding(actor: &Actor, form: &Form, reason: &str) -> Answered {
    let request = VoidForm { reason: reason.to_owned(), version: form.version };
    actor.form_void().form_id(form.id).body(request).send().await
}

/// A form with one of two signatures, and one with both.
async fn frozen(app: &CoreApp) -> (Form, Form) {
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
            let delete = Answer::to(actor.request(Method::DELETE, &format!("/v1/forms/{}", form.id))).await;
            assert_eq!(delete.status, 409, "{}", delete.body);
            assert!(delete.body.contains("form_signed") || delete.body.contains("form_not_draft"), "{}", delete.body);
        }
        let request = MigrateForm { form_template_version: None, version: form.version };
        refused(app.admin().form_migrate().form_id(form.id).body(request).send().await, 409, "form_signed");
        let path = format!("/v1/forms/{}", form.id);
        Answer::to(app.admin().request(Method::PATCH, &path).json(&json!({}))).await.refusal(405, "method_not_allowed");
        assert_eq!(row(&app, form.id).await, stored);
        assert_eq!(raw(&app.admin(), form.id).await, shown);
    }
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
    let (home, people) = (app.home().id, app.home());
    let record = granted(app.patient().me_get().send().await, 200).patient_id.unwrap();
    let contexts = [
        ("admin", people.admin.user_id, String::new()),
        ("staff", people.staff.user_id, String::new()),
        ("specialist", people.specialist.user_id, people.specialist_id.to_string()),
        ("patient", people.patient.user_id, record.to_string()),
    ];
    for (name, user, record) in &contexts {
        let of_record = match *name {
            "patient" => format!("set_config('app.current_patient_id', '{record}', false)"),
            "specialist" => format!("set_config('app.current_specialist_id', '{record}', false)"),
            _ => "''".to_owned(),
        };
        let enter = format!(
            "select set_config('app.current_org_id', '{home}', false),
                    set_config('app.current_user_id', '{user}', false),
                    set_config('app.current_role', '{name}', false), {of_record}"
        );
        run(&mut role, &enter).await.unwrap();
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
    let (home, admin, user) = (app.home().id, app.home().admin.user_id, app.home().patient.user_id);
    let mut role = app.database.app().await;
    let record = granted(app.patient().me_get().send().await, 200).patient_id.unwrap();
    let insert = format!(
        "insert into form_signatures (organization_id, form_id, position, statement, statement_hash, signed_at)
         values ({home}, {}, 2, '{{}}', sha256('x'), now())",
        partly.id
    );
    for (name, of, impersonator) in [("admin", admin, ""), ("staff", admin, ""), ("patient", user, &*admin.to_string())]
    {
        let enter = format!(
            "select set_config('app.current_org_id', '{home}', false), set_config('app.current_user_id', '{of}', false),
                    set_config('app.current_role', '{name}', false),
                    set_config('app.current_patient_id', '{record}', false),
                    set_config('app.current_impersonator_id', '{impersonator}', false)"
        );
        run(&mut role, &enter).await.unwrap();
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
    let amendment = granted(amending(&specialist, &signed).await, 201);
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
    let second = granted(amending(&specialist, &signed).await, 201);
    assert_eq!((second.amends_id, values(&second)), (Some(signed.id), values(&signed)));
    // Nor does a draft that is deleted.
    granted(specialist.form_delete().form_id(second.id).send().await, 204);
    assert_eq!(now(&specialist, signed.id).await.amended_by_id, None);
    granted(amending(&specialist, &signed).await, 201);
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
    let places: Vec<_> = app.search("Quokka").await.into_iter().map(|place| (place.table, place.column)).collect();
    assert_eq!(places, [("public.form_voids".to_owned(), "reason_encrypted".to_owned())]);
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
    let booked =
        app.appointment_create(&app.admin(), app.home().specialist_id, patient, test_support::in_days(2, 9)).await;
    let template = template(&app.admin(), &[scale("pain")], &[]).await;
    let attach = async || {
        let request = AttachForms { form_template_ids: vec![template.id] };
        let attached = specialist.appointment_forms_attach().appointment_id(booked.id).body(request).send().await;
        assert_eq!(granted(attached, 200).forms.len(), 1, "one that counts");
        let list = specialist.form_list().appointment_id(booked.id).send().await;
        granted(list, 200).data.iter().map(|form| form.id).collect::<Vec<_>>()
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

#[tokio::test]
async fn the_audit_of_an_amendment_names_both_forms() {
    let app = CoreApp::start().await;
    let (_, signed) = frozen(&app).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let request: FormVersionInput = body(json!({ "version": signed.version }));
    let amendment = granted(app.specialist().form_amend().form_id(signed.id).body(request).send().await, 201);
    let rows = trail.next().await;
    let said: Vec<_> = rows
        .iter()
        .filter(|row| row.entity_type == "form" && row.action != "read")
        .map(|row| (row.action.as_str(), row.entity_id.as_deref().unwrap_or_default().to_owned()))
        .collect();
    let expected = [("created", amendment.id.to_string()), ("amended", signed.id.to_string())];
    assert!(expected.iter().all(|row| said.contains(row)), "{said:?}");
}
