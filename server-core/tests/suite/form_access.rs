//! Forms: rights of roles, keys, impersonators and strangers, in answers and in the database.

use restartix_sdk::core::{
    Client,
    types::{BeginImpersonation, CreateForm, Form, FormHistoryKind, FormStatus, Scope, SigningMeaning},
};
use serde_json::json;
use test_support::{CoreApp, Role, granted, in_days, refused};
use uuid::Uuid;

use crate::{
    form::{
        delete, history, item, medication, migrate, now, of, opened, read, save, saved, submit, submitted, template,
        values,
    },
    form_submit::{self, signing},
    form_template::scale,
    profile::columns,
    rls_attack::{Asker, DENIED, attempt},
};

/// Returns the ids of the forms that a list shows.
async fn listed(client: &Client) -> Vec<i64> {
    granted(client.form_list().send().await, 200).data.iter().map(|form| form.id).collect()
}

/// Asserts that a form seems not to exist, whatever is asked of it.
async fn assert_not_there(client: &Client, form: &Form) {
    const CODE: &str = "form_not_found";
    refused(read(client, form.id).await, 404, CODE);
    refused(save(client, form.id, form.version, json!({ "pain": 1 })).await, 404, CODE);
    refused(submit(client, form).await, 404, CODE);
    refused(delete(client, form.id).await, 404, CODE);
}

#[tokio::test]
async fn forms_are_those_of_the_patients_whom_one_reaches() {
    let app = CoreApp::start().await;
    let (admin, staff, specialist, me) = (app.admin(), app.staff(), app.specialist(), app.patient());
    let own = app.patient_record().await.id;
    let other = app.patient_create(&staff, "Tom", "Other").await.id;
    app.appointment_create(&admin, app.home().specialist_id, own, in_days(1, 9)).await;
    let template = template(&admin, &[scale("pain")]).await.id;
    let mut of_mine = opened(&staff, template, own).await;
    let of_other = opened(&staff, template, other).await;
    for (actor, expected) in [
        (&admin, vec![of_other.id, of_mine.id]),
        (&staff, vec![of_other.id, of_mine.id]),
        (&specialist, vec![of_mine.id]),
        (&me, vec![of_mine.id]),
    ] {
        assert_eq!(listed(actor).await, expected);
        of_mine = saved(actor, &now(actor, of_mine.id).await, json!({ "pain": of_mine.version % 10 })).await;
    }
    let colleague = app.member_add(Role::Specialist).await;
    app.specialist_link(&admin, app.specialist_create(&admin, "Dr. Colleague").await.id, &colleague).await;
    let stranger = app.member_add(Role::Patient).await;
    app.patient_of(&stranger, CoreApp::new_patient("Olga", "Stranger")).await;
    let away = app.other_admin();
    for (actor, form) in [
        (&app.actor(&colleague), &of_mine),
        (&specialist, &of_other),
        (&me, &of_other),
        (&app.actor(&stranger), &of_mine),
        (&away, &of_mine),
    ] {
        assert_not_there(actor, form).await;
    }
    assert_eq!(listed(&away).await, [0; 0]);
    for actor in [&app.actor(&colleague), &away] {
        refused(migrate(actor, &of_mine).await, 404, "form_not_found");
        refused(actor.form_history_list().form_id(of_mine.id).send().await, 404, "form_not_found");
        let told = actor.patient_prefill_get().patient_id(own).form_template_id(template).send().await;
        refused(told, 404, "patient_not_found");
    }
    // Filters find nothing of them either.
    for actor in [&app.actor(&colleague), &away] {
        let found = actor.form_list().patient_id(own).form_template_id(template).send().await;
        assert_eq!(granted(found, 200).meta.total, 0);
    }
    assert_eq!(values(&now(&staff, of_mine.id).await), values(&of_mine), "nothing was changed");

    // The specialist's access ends with the treatment.
    let closing = "update appointments set status = 'cancelled', cancelled_at = now()";
    sqlx::query(closing).execute(&mut app.owner().await).await.unwrap();
    assert_not_there(&specialist, &of_mine).await;
    assert_eq!(listed(&specialist).await, [0; 0]);
}

#[tokio::test]
async fn forms_are_created_for_patients_whom_one_reaches_and_by_patients_for_themselves() {
    let app = CoreApp::start().await;
    let (admin, staff, specialist, me) = (app.admin(), app.staff(), app.specialist(), app.patient());
    let own = app.patient_record().await.id;
    let other = app.patient_create(&staff, "Tom", "Other").await.id;
    app.appointment_create(&admin, app.home().specialist_id, own, in_days(1, 9)).await;
    let away = app.other_admin();
    let theirs = app.patient_create(&away, "Eve", "Away").await.id;
    let template = template(&admin, &[scale("pain")]).await.id;
    for actor in [&admin, &staff, &specialist, &me] {
        assert_eq!(opened(actor, template, own).await.patient_id, own);
    }
    let for_me = CreateForm { patient_id: None, ..of(template, own) };
    assert_eq!(granted(me.form_create().body(for_me).send().await, 201).patient_id, own);
    for (actor, patient, rule) in [
        (&me, other, "not_own"),
        (&specialist, other, "unknown_reference"),
        (&staff, theirs, "unknown_reference"),
        (&admin, theirs, "unknown_reference"),
    ] {
        let refusal = refused(actor.form_create().body(of(template, patient)).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/patient_id", rule)]);
    }
    let refusal = refused(away.form_create().body(of(template, theirs)).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/form_template_id", "unknown_reference")]);
    assert_eq!(app.count("select count(*) from forms").await, 5);
    // A patient who has no record has no form.
    let nobody = app.actor(&app.member_add(Role::Patient).await);
    let create = nobody.form_create().body(CreateForm { patient_id: None, ..of(template, 0) });
    let refusal = refused(create.send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "required")]);
    assert_eq!(listed(&nobody).await, [0; 0]);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_of_forms_say() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let first = template(&admin, &[scale("pain")]).await.id;
    let both = app.program(&[Scope::FormsRead, Scope::FormsWrite]).await;
    let form = opened(&both, first, patient).await;
    assert_eq!(form.created_by_user_id, None, "a key is no user");
    let reader = app.program(&[Scope::FormsRead]).await;
    assert_eq!(now(&reader, form.id).await, form);
    assert_eq!(listed(&reader).await, [form.id]);
    assert_eq!(history(&reader, form.id).await.len(), 1);
    refused(save(&reader, form.id, 1, json!({ "pain": 1 })).await, 403, "permission_denied");
    refused(submit(&reader, &form).await, 403, "permission_denied");
    refused(delete(&reader, form.id).await, 403, "permission_denied");
    refused(reader.form_create().body(of(first, patient)).send().await, 403, "permission_denied");
    let other = app.program(&[Scope::PatientsRead, Scope::PatientsWrite, Scope::AppointmentsRead]).await;
    refused(read(&other, form.id).await, 403, "permission_denied");
    refused(other.form_list().send().await, 403, "permission_denied");
    refused(other.form_create().body(of(first, patient)).send().await, 403, "permission_denied");

    let form = submitted(&both, &saved(&both, &form, json!({ "pain": 4 })).await).await;
    assert_eq!(form.status, FormStatus::Submitted);
    refused(signing(&both, &form, SigningMeaning::Completion).await, 403, "permission_denied");
    refused(both.me_form_list().send().await, 403, "permission_denied");
    let users: Vec<Option<i64>> = history(&staff, form.id).await.iter().map(|change| change.user_id).collect();
    assert_eq!(users, [None; 3]);
}

#[tokio::test]
async fn an_impersonator_fills_in_as_the_patient_and_never_signs() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_record().await.id;
    let other = app.patient_create(&staff, "Tom", "Other").await.id;
    let signed_by_patient = form_submit::template(&admin, &[scale("pain")], &[("patient", "consent")]).await;
    let form = opened(&staff, signed_by_patient.id, patient).await;
    let hidden = opened(&staff, signed_by_patient.id, other).await;
    let begun = BeginImpersonation { minutes: None, reason: "Called on the phone".to_owned() };
    let begun = granted(admin.patient_impersonate().patient_id(patient).body(begun).send().await, 201);
    let acting = app.patient().holding(&begun.token);
    assert_eq!(listed(&acting).await, [form.id]);
    assert_not_there(&acting, &hidden).await;
    refused(migrate(&acting, &form).await, 403, "permission_denied");
    refused(acting.form_history_list().form_id(form.id).send().await, 403, "permission_denied");
    let whole = submitted(&acting, &saved(&acting, &form, json!({ "pain": 4 })).await).await;
    let change = &history(&admin, form.id).await[1];
    assert_eq!((change.kind, change.user_id), (FormHistoryKind::Saved, Some(app.home().patient.user_id)));
    let trail: Vec<(Option<i64>, Option<i64>)> = sqlx::query_as(
        "select actor_user_id, impersonator_user_id from audit_log where entity_type = 'form' and action = 'saved'",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(trail, [(Some(app.home().patient.user_id), Some(app.home().admin.user_id))]);

    refused(signing(&acting, &whole, SigningMeaning::Consent).await, 403, "signing_impersonated");
    assert_eq!(app.count("select count(*) from form_signatures").await, 0);
    let signed = granted(signing(&app.patient(), &whole, SigningMeaning::Consent).await, 200);
    assert_eq!(signed.status, FormStatus::Signed);
}

#[tokio::test]
async fn the_database_shows_and_changes_only_what_a_role_reaches() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let own = app.patient_record().await.id;
    let other = app.patient_create(&staff, "Tom", "Other").await.id;
    let template = template(&admin, &[scale("pain"), item("note", "text")]).await.id;
    for patient in [own, other] {
        let form = opened(&staff, template, patient).await;
        saved(&staff, &form, json!({ "note": "Worse" })).await;
    }
    let mut role = app.database.app().await;
    let home = app.home();
    let asker = |role, user| Some(Asker { organization: home.id, user, role });
    for (name, user, reaches) in [
        ("admin", home.admin.user_id, 2),
        ("staff", home.staff.user_id, 2),
        ("api_key", home.staff.user_id, 2),
        // Neither has a record in this context.
        ("specialist", home.specialist.user_id, 0),
        ("patient", home.patient.user_id, 0),
        ("", home.staff.user_id, 0),
    ] {
        for (sql, rows) in [
            ("select from forms", reaches),
            ("update forms set updated_at = now()", reaches),
            ("select from form_changes", 2 * reaches),
            ("delete from forms", reaches),
        ] {
            assert_eq!(attempt(&mut role, asker(name, user), sql).await, Ok(rows), "{sql} as {name}");
        }
    }
    let away = Some(Asker { organization: app.away().id, user: app.away().admin.user_id, role: "admin" });
    for sql in ["select from forms", "select from form_changes", "update forms set updated_at = now()"] {
        assert_eq!(attempt(&mut role, away, sql).await, Ok(0), "{sql}");
        assert_eq!(attempt(&mut role, None, sql).await, Ok(0), "{sql}");
    }
    let admin = asker("admin", home.admin.user_id);
    for sql in [
        "update forms set patient_id = patient_id",
        "update forms set uid = uid",
        "update forms set data_key_id = data_key_id",
        "update forms set form_template_id = form_template_id",
        "update forms set created_by_user_id = 0",
        "update form_changes set fields = '{}'",
        "delete from form_changes",
        "insert into form_changes (organization_id, user_id) values (1, 1)",
        "update appointment_forms set form_id = form_id",
        "delete from appointment_forms",
        "update form_signatures set position = 2",
        "delete from form_signatures",
    ] {
        assert_eq!(attempt(&mut role, admin, sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    let voiding = "insert into form_voids (organization_id, form_id, uid, data_key_id, reason_encrypted)
                   select organization_id, id, uid, data_key_id, 'x'::bytea from forms";
    assert_eq!(attempt(&mut role, admin, voiding).await, Ok(2), "administrators make forms void");
    for name in ["staff", "api_key"] {
        let refused = attempt(&mut role, asker(name, home.staff.user_id), voiding).await;
        assert_eq!(refused, Err(DENIED.to_owned()), "a form made void as {name}");
    }
    let unfit = Err("23514".to_owned());
    for sql in [
        "update forms set status = 'submitted'",
        "update forms set document_encrypted = null",
        "update forms set content_encrypted = 'x'",
        "update forms set version = 0",
    ] {
        assert_eq!(attempt(&mut role, admin, sql).await, unfit, "{sql}");
    }
}

#[tokio::test]
async fn an_answer_is_in_no_clear_form_and_not_in_the_log() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = template(&admin, &[item("note", "text"), medication()]).await.id;
    let form = opened(&staff, template, patient).await;
    let entry = Uuid::new_v4();
    let answers = json!({
        "note": "planted-answer", "medication": { entry.to_string(): { "name": "planted-drug" } },
    });
    let form = saved(&staff, &form, answers).await;
    save(&staff, form.id, form.version, json!({ "note": 4, "nothing": "planted-fault" })).await.unwrap_err();
    for text in ["planted-answer", "planted-drug"] {
        assert_eq!(columns(&app, text).await, ["public.forms.document_encrypted"], "{text}");
    }
    let dump = app.database.dump();
    let dump = String::from_utf8_lossy(&dump);
    assert!(!dump.contains("planted-"), "the dump is sealed");
    assert!(!app.server.log().contains("planted-"), "no answer is logged");
}
