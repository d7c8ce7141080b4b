//! Effects of a transaction's context besides the rows it shows: the actor that the audit log names, the users whose
//! jobs are run, and the changes that a patient can make to an appointment.

use restartix_sdk::core::types::{HoldAppointment, JobState, Scope};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use test_support::{ClerkApi, CoreApp, Role, eventually, granted, in_days, until};
use uuid::Uuid;

use crate::gdpr::{clinic, finished};

/// Insufficient privilege.
const DENIED: &str = "42501";

/// Runs a statement in a context and rolls it back; returns the number of rows it reached, or PostgreSQL's error
/// code.
async fn attempt(app: &mut PgConnection, enter: &str, sql: &str) -> Result<u64, String> {
    app.execute("begin").await.unwrap();
    let mut outcome = Ok(0);
    for statement in [enter, sql] {
        outcome = match app.execute(AssertSqlSafe(statement)).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(sqlx::Error::Database(error)) => Err(error.code().unwrap_or_default().into_owned()),
            Err(error) => panic!("{statement}: {error}"),
        };
        if outcome.is_err() {
            break;
        }
    }
    app.execute("rollback").await.unwrap();
    outcome
}

/// Returns the statement by which Core enters the context of a person of the home clinic.
fn enter(app: &CoreApp, user: i64, role: &str, patient: Option<i64>, impersonator: Option<i64>) -> String {
    let number = |id: Option<i64>| id.map_or_else(|| "null".to_owned(), |id| id.to_string());
    format!(
        "select context_enter({user}, {}, '{role}', {}, null, null, {})",
        app.home().id,
        number(patient),
        number(impersonator)
    )
}

/// Returns the statement by which the service would append an audit row with these fields.
fn append(fields: &Value) -> String {
    let mut row = json!({
        "id": Uuid::now_v7(), "occurred_at": chrono::Utc::now(), "action": "updated", "entity_type": "thing",
        "operation_id": "thing_update", "request_id": "request", "outcome": "succeeded",
    });
    for (name, value) in fields.as_object().unwrap() {
        row[name] = value.clone();
    }
    format!("select audit_append('{}')", hex::encode(json!([row]).to_string()))
}

#[tokio::test]
async fn the_trail_names_nobody_but_the_contexts_actor() {
    let app = CoreApp::start().await;
    app.program(&[Scope::PatientsRead]).await;
    let key: i64 = app.count("select max(id) from api_keys").await;
    let (home, away, admin) = (app.home().id, app.away().id, app.home().admin.user_id);
    let mut restricted = app.database.app().await;
    let person = |role: Role| app.home().person(role).user_id;
    let mut contexts: Vec<(String, Value)> = Role::ALL
        .map(|role| {
            let own = json!({ "organization_id": home, "actor_kind": "user", "actor_user_id": person(role) });
            (enter(&app, person(role), role.as_str(), None, None), own)
        })
        .into();
    let patient = person(Role::Patient);
    let acted = json!({ "organization_id": home, "actor_kind": "user", "actor_user_id": patient,
                        "impersonator_user_id": admin });
    contexts.push((enter(&app, patient, "patient", None, Some(admin)), acted));
    let of_key = json!({ "organization_id": home, "actor_kind": "api_key", "actor_api_key_id": key });
    contexts.push((format!("select context_enter(null, {home}, 'api_key', null, null, {key}, null)"), of_key));

    for (enter, own) in &contexts {
        let mut attempt = async |fields: &Value| attempt(&mut restricted, enter, &append(fields)).await;
        assert_eq!(attempt(own).await, Ok(1), "{enter}: {own}");
        for (field, value) in [
            ("actor_user_id", json!(admin + 1000)),
            ("actor_user_id", Value::Null),
            ("actor_kind", json!("system")),
            ("actor_kind", json!("anonymous")),
            ("actor_api_key_id", json!(key + 1)),
            ("impersonator_user_id", json!(admin + 1000)),
            ("organization_id", json!(away)),
            ("organization_id", json!(0)),
            ("outcome", json!("denied")),
            ("outcome", json!("failed")),
        ] {
            let mut forged = own.clone();
            if forged.get(field).unwrap_or(&Value::Null) == &value {
                continue;
            }
            forged[field] = value;
            assert_eq!(attempt(&forged).await, Err(DENIED.to_owned()), "{enter}: {forged}");
        }
    }
    // The impersonator can't be left out.
    let mut hidden = contexts[4].1.clone();
    hidden["impersonator_user_id"] = Value::Null;
    assert_eq!(attempt(&mut restricted, &contexts[4].0, &append(&hidden)).await, Err(DENIED.to_owned()));
    // Without a context no actor can be recorded, and the tables of the trail can't be written directly.
    let (enter, own) = &contexts[0];
    assert_eq!(attempt(&mut restricted, "select 1", &append(own)).await, Err(DENIED.to_owned()));
    for table in ["audit_log", "audit_personal", "audit_outbox"] {
        let insert = format!("insert into {table} default values");
        assert_eq!(attempt(&mut restricted, enter, &insert).await, Err(DENIED.to_owned()), "{table}");
    }
    // On the owner's pool, too, the actor is the context's; only the service itself, without a context, may name any
    // actor.
    let mut owner = app.owner().await;
    let forged = json!({ "organization_id": home, "actor_kind": "user", "actor_user_id": patient });
    let superadmin = format!("select context_enter({}, {home}, 'superadmin', null, null, null, null)", admin + 1);
    assert_eq!(attempt(&mut owner, &superadmin, &append(&forged)).await, Err(DENIED.to_owned()));
    assert_eq!(attempt(&mut owner, "select 1", &append(&forged)).await, Ok(1));
    // Within a context the owner appends to the trail of its organization alone.
    let own = json!({ "organization_id": home, "actor_kind": "user", "actor_user_id": admin + 1 });
    assert_eq!(attempt(&mut owner, &superadmin, &append(&own)).await, Ok(1));
    let mut elsewhere = own.clone();
    elsewhere["organization_id"] = json!(away);
    assert_eq!(attempt(&mut owner, &superadmin, &append(&elsewhere)).await, Err(DENIED.to_owned()));
    // The service itself appends nothing that the trail has no meaning for.
    for (field, value) in [
        ("outcome", json!("unknown")),
        ("outcome", Value::Null),
        ("actor_kind", json!("robot")),
        ("actor_kind", Value::Null),
        ("occurrences", json!(0)),
    ] {
        let mut meaningless = forged.clone();
        meaningless[field] = value;
        let attempted = attempt(&mut owner, "select 1", &append(&meaningless)).await;
        assert!(attempted.is_err(), "{meaningless}: {attempted:?}");
    }
}

#[tokio::test]
async fn the_application_role_never_runs_the_platform() {
    let app = CoreApp::start().await;
    let (mut restricted, home, admin) = (app.database.app().await, app.home().id, app.home().admin.user_id);
    for role in ["superadmin", "system"] {
        for enter in [
            format!("select context_enter({admin}, null, '{role}', null, null)"),
            format!("select context_enter({admin}, {home}, '{role}', null, null, null, null)"),
        ] {
            assert_eq!(attempt(&mut restricted, &enter, "select 1").await, Err(DENIED.to_owned()), "{enter}");
        }
        // The role has no effect even if it is set directly.
        for organization in ["", &home.to_string()] {
            let enter = format!(
                "select set_config('app.current_role', '{role}', true), set_config('app.current_user_id', '{admin}', true),
                        set_config('app.current_org_id', '{organization}', true)"
            );
            for sql in [
                "select * from visible_organizations()",
                "select * from organization_members()",
                "select id from organizations",
                "select id from users",
                "select user_id from memberships",
                "select id from specialists",
            ] {
                assert_eq!(attempt(&mut restricted, &enter, sql).await, Ok(0), "{role} in '{organization}': {sql}");
            }
        }
    }
}

/// Returns the id and the insert of a job that erases a patient, created by this user.
fn erasure(organization: i64, created_by: &str, patient: i64) -> (Uuid, String) {
    let id = Uuid::now_v7();
    let sql = format!(
        "insert into jobs (id, organization_id, kind, payload, created_by)
         values ('{id}', {organization}, 'gdpr_erasure',
                 '{{\"subject\": {{\"kind\": \"patient\", \"id\": {patient}}}, \"mode\": \"erase\", \"dry_run\": false}}', {created_by})"
    );
    (id, sql)
}

#[tokio::test]
async fn a_job_of_the_wrong_role_is_not_taken_and_does_nothing() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, home) = (&clinic.core, clinic.core.home());
    let mut restricted = app.database.app().await;
    let record = app.patient_record().await.id;
    for role in Role::ALL {
        let user = home.person(role).user_id;
        let enter = enter(app, user, role.as_str(), Some(record), None);
        let (_, sql) = erasure(home.id, &user.to_string(), record);
        assert_eq!(attempt(&mut restricted, &enter, &sql).await, Err(DENIED.to_owned()), "{role:?} leaves an erasure");
        let work = |by: &str| {
            format!(
                "insert into jobs (id, organization_id, kind, payload, created_by)
                 values (gen_random_uuid(), {}, 'waitlist_offer', '{{\"specialist_id\": 1}}', {by})",
                home.id
            )
        };
        assert_eq!(attempt(&mut restricted, &enter, &work(&user.to_string())).await, Ok(1), "{role:?}");
        for another in ["null", &(user + 1000).to_string()] {
            assert_eq!(attempt(&mut restricted, &enter, &work(another)).await, Err(DENIED.to_owned()), "{role:?}");
        }
    }
    // If such a job is inserted anyway, its runner checks the permission again.
    let admin = app.admin();
    let (patient, away) = (home.patient.user_id.to_string(), app.away().admin.user_id.to_string());
    for by in [patient.as_str(), away.as_str(), &home.staff.user_id.to_string(), "null"] {
        let (id, sql) = erasure(home.id, by, record);
        app.owner().await.execute(AssertSqlSafe(sql.as_str())).await.unwrap();
        let (job, _) = until("the job has ended", 3 * CoreApp::PATIENCE, || async {
            let job = granted(admin.gdpr_job_get().job_id(id).send().await, 200);
            (job.status == JobState::Failed).then_some(job)
        })
        .await;
        assert_eq!(job.last_error.as_deref(), Some("asker_not_allowed"), "by {by}");
        assert_eq!(granted(admin.patient_get().patient_id(record).send().await, 200).first_name, "Pia");
        let refused: i64 = sqlx::query_scalar(
            "select count(*) from audit_log where entity_type = 'erasure' and entity_id = $1 and action = 'refused'",
        )
        .bind(id.to_string())
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap();
        assert_eq!(refused, 1, "by {by}: it is on record");
    }
    let (id, sql) = erasure(home.id, &home.admin.user_id.to_string(), record);
    app.owner().await.execute(AssertSqlSafe(sql.as_str())).await.unwrap();
    finished(&admin, id).await;
    let gone = "select count(*) from patients where erased_at is not null";
    eventually("an administrator's is done", CoreApp::PATIENCE, || async { app.count(gone).await == 1 }).await;
}

#[tokio::test]
async fn a_patient_changes_its_appointments_as_a_patient_may() {
    let app = CoreApp::start().await;
    let (admin, me, home) = (app.admin(), app.patient(), app.home());
    let own = app.patient_record().await.id;
    app.works_always(home.specialist_id).await;
    let booked = app.appointment_create(&admin, home.specialist_id, own, in_days(3, 9)).await.id;
    let hold = |days| HoldAppointment {
        specialist_id: home.specialist_id,
        patient_id: Some(own),
        template_id: None,
        started_at: in_days(days, 14),
    };
    let mine = granted(me.appointment_hold_create().body(hold(4)).send().await, 201).id;
    let theirs = granted(admin.appointment_hold_create().body(hold(5)).send().await, 201).id;
    let patient = enter(&app, home.patient.user_id, "patient", Some(own), None);
    let mut restricted = app.database.app().await;
    let mut change = async |set: &str, id: i64| {
        attempt(&mut restricted, &patient, &format!("update appointments set {set} where id = {id}")).await
    };
    let cancel = "status = 'cancelled', cancelled_at = now(), cancellation_reason = 'other'";
    let moved = "started_at = started_at + interval '1 day', ended_at = ended_at + interval '1 day',
                 block = tstzrange(lower(block) + interval '1 day', upper(block) + interval '1 day')";
    let book = "status = 'scheduled', holder = null, hold_expires_at = null";
    let release = "status = 'expired', holder = null";
    for (set, id) in [(cancel, booked), (moved, booked), (book, mine), (release, mine)] {
        assert_eq!(change(set, id).await, Ok(1), "{set}");
    }
    let longer =
        "ended_at = ended_at + interval '1 hour', block = tstzrange(lower(block), upper(block) + interval '1 hour')";
    for (set, id) in [
        ("status = 'confirmed'", booked),
        ("status = 'completed'", booked),
        ("status = 'no_show'", booked),
        ("cancellation_cutoff_minutes = 0", booked),
        ("reschedule_cutoff_minutes = 0", booked),
        ("modality = 'video'", booked),
        ("title = 'Mine'", booked),
        ("deleted_at = now()", booked),
        (longer, booked),
        ("hold_expires_at = hold_expires_at + interval '1 hour'", mine),
        (moved, mine),
        (book, theirs),
        (release, theirs),
    ] {
        assert_eq!(change(set, id).await, Err(DENIED.to_owned()), "{set}");
    }
    // The cut-offs stored with the appointment bind the patient, also in SQL.
    app.appointment_set(booked, "cancellation_cutoff_minutes = 20000, reschedule_cutoff_minutes = 20000").await;
    for set in [cancel, moved] {
        assert_eq!(change(set, booked).await, Err(DENIED.to_owned()), "{set}");
    }
    // A booking has to take its values from the template.
    let template = test_support::Template { cancellation_cutoff_minutes: 90, ..test_support::Template::of_minutes(30) };
    let template = app.template_add(template).await;
    let slot = |holder: &str, columns: &str, values: &str| {
        format!(
            "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id, user_id,
                                       appointment_template_id, cancellation_cutoff_minutes{columns})
             select {}, '{holder}', at, at + interval '30 min', tstzrange(at, at + interval '30 min'), {}, {own}, {}, {template}, 0
                    {values}
             from (select timestamptz '2100-01-01 09:00Z' as at) s
             returning 1 / (cancellation_cutoff_minutes = 90)::integer",
            home.id, home.specialist_id, home.patient.user_id
        )
    };
    assert_eq!(attempt(&mut restricted, &patient, &slot("scheduled", "", "")).await, Ok(1), "stamped by the template");
    let hold_of = |holder: &str, minutes: i32| {
        slot("held", ", holder, hold_expires_at", &format!(", '{holder}', now() + interval '{minutes} minutes'"))
    };
    let (own_name, other_name) = (format!("user:{}", home.patient.user_id), format!("user:{}", home.admin.user_id));
    assert_eq!(attempt(&mut restricted, &patient, &hold_of(&own_name, 10)).await, Ok(1));
    for sql in [hold_of(&other_name, 10), hold_of(&own_name, 100), slot("completed", "", "")] {
        assert_eq!(attempt(&mut restricted, &patient, &sql).await, Err(DENIED.to_owned()), "{sql}");
    }
}
