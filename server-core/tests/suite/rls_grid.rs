//! Grid (`rls_grid.txt`) of the rows of Core's database that each role reaches within its own clinic, by verb:
//! everything that row-level security, triggers and grants decide.

use restartix_sdk::core::types::{CancelAppointment, CancellationReason, RescheduleAppointment, Scope, SpecialtyInput};
use sqlx::AssertSqlSafe;
use test_support::{CoreApp, Kind, Operation, RowAsker, RowRights, granted, in_days};

const FILE: &str = "server-core/tests/suite/rls_grid.txt";
const GRID: &str = include_str!("rls_grid.txt");

const NOTES: &str = "\
Which rows of a clinic the application role reaches in the context of each of its people: all, own for some, - for
none. A line of an insert says whose like can be written; one of an update and a column, whose column can be changed.
none: in no role; superadmin: a context that says what the application role never is. What isn't granted has no line.
Written by the test beside it, which compares all of it.";

/// Clinics' people and keys as contexts.
async fn askers(app: &CoreApp, specialist: i64, patient: i64) -> Vec<RowAsker> {
    let home = app.home();
    let key = "select min(id) from api_keys where organization_id = $1";
    let key: i64 = sqlx::query_scalar(key).bind(home.id).fetch_one(&mut app.owner().await).await.unwrap();
    let enter = |user: &str, role: &str, patient: &str, specialist: &str, key: &str| {
        format!("select context_enter({user}, {}, '{role}', {patient}, {specialist}, {key}, null)", home.id)
    };
    let person = |person: &test_support::Person| person.user_id.to_string();
    // Each says both records: that it has one of them is not enough.
    let (record, own) = (patient.to_string(), specialist.to_string());
    let claimed = format!(
        "select set_config('app.current_role', 'superadmin', true), set_config('app.current_org_id', '{}', true),
                set_config('app.current_user_id', '{}', true)",
        home.id, home.admin.user_id
    );
    [
        ("admin", enter(&person(&home.admin), "admin", &record, &own, "null")),
        ("specialist", enter(&person(&home.specialist), "specialist", &record, &own, "null")),
        ("staff", enter(&person(&home.staff), "staff", &record, &own, "null")),
        ("patient", enter(&person(&home.patient), "patient", &record, &own, "null")),
        ("api_key", enter("null", "api_key", "null", "null", &key.to_string())),
        ("none", enter(&person(&home.staff), "", &record, &own, "null")),
        ("superadmin", claimed),
    ]
    .map(|(name, enter)| RowAsker { name, enter })
    .into()
}

async fn execute(app: &CoreApp, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.as_str()))
        .execute(&mut app.owner().await)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Rows of everybody's in each table: of the specialist and the patient, and of others of the clinic. The ids of the
/// two records.
async fn seed(app: &CoreApp) -> (i64, i64) {
    let (admin, home) = (app.admin(), app.home());
    crate::matrix::make_all(&admin, &Operation::all(&app.server)).await;
    let own = app.patient_record().await.id;
    let other = app.patient_create(&app.staff(), "Ann", "Other").await.id;
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
    let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
    app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await;
    for (specialist, patient, day) in [(home.specialist_id, own, 2), (colleague, other, 2)] {
        app.schedule_set(&admin, specialist, CoreApp::new_schedule()).await;
        let booked = app.appointment_create(&admin, specialist, patient, in_days(day, 9)).await.id;
        let body = RescheduleAppointment { specialist_id: None, started_at: in_days(day + 1, 9), version: None };
        granted(admin.appointment_reschedule().appointment_id(booked).body(body).send().await, 200);
        let cancelled = app.appointment_create(&admin, specialist, patient, in_days(day, 12)).await.id;
        let body = CancelAppointment { reason: CancellationReason::Other };
        granted(admin.appointment_cancel().appointment_id(cancelled).body(body).send().await, 200);
        let series = CoreApp::new_series(specialist, patient, in_days(day + 2, 9), CoreApp::daily(2));
        granted(admin.appointment_series_create().body(series).send().await, 201);
        let wish = crate::waitlist::wish(specialist, Some(patient), in_days(day, 9), in_days(day + 1, 9));
        crate::waitlist::wait(&admin, wish).await;
    }
    crate::waitlist::settled(app).await;
    let begin = restartix_sdk::core::types::BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    granted(admin.patient_impersonate().patient_id(own).body(begin).send().await, 201);
    app.program(&[Scope::PatientsRead]).await;
    for actor in [admin.clone(), app.specialist(), app.staff(), app.patient()] {
        granted(actor.calendar_feed_create().send().await, 201);
    }
    seed_in_each_name(app, own, (colleague, specialty)).await;
    (home.specialist_id, own)
}

/// Inserts rows as each person of the clinic and its key could have written them, and rows that no operation writes
/// right away.
async fn seed_in_each_name(app: &CoreApp, own: i64, (colleague, specialty): (i64, i64)) {
    let home = app.home();
    let (id, admin, specialist) = (home.id, home.admin.user_id, home.specialist_id);
    let people = [&home.admin, &home.specialist, &home.staff, &home.patient].map(|person| person.user_id.to_string());
    for user in people.iter().map(String::as_str).chain(["null"]) {
        for kind in ["waitlist_offer", "gdpr_erasure"] {
            let sql = format!(
                "insert into jobs (id, organization_id, kind, created_by, run_at)
                 values (gen_random_uuid(), {id}, '{kind}', {user}, now() + interval '1 day')"
            );
            execute(app, sql).await;
        }
        // Holds of theirs, and booked as theirs.
        let holder = if user == "null" {
            format!("(select 'api_key:' || min(id) from api_keys where organization_id = {id})")
        } else {
            format!("'user:{user}'")
        };
        for (status, holder) in [("held", holder.as_str()), ("scheduled", "null")] {
            let sql = format!(
                "with slot as (select timestamptz '2100-01-01 00:00Z' + (select count(*) from appointments) * interval '1 hour' as at)
                 insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                                           user_id, holder, hold_expires_at)
                 select {id}, '{status}', at, at + interval '1 hour', tstzrange(at, at + interval '1 hour'), {specialist}, {own},
                        {user}, {holder}, case when '{status}' = 'held' then now() + interval '9 minutes' end from slot"
            );
            execute(app, sql).await;
        }
        for table in ["appointment_series", "appointment_reschedules"] {
            let columns = "select string_agg(attname, ', ') from pg_attribute
                           where attrelid = $1::regclass and attnum > 0 and not attisdropped
                             and attname not in ('id', 'uid', 'user_id')";
            let columns: String =
                sqlx::query_scalar(columns).bind(table).fetch_one(&mut app.owner().await).await.unwrap();
            let sql = format!(
                "insert into {table} (user_id, {columns}) select {user}, {columns} from {table} where id = (select min(id) from {table})"
            );
            execute(app, sql).await;
        }
        let sql = format!(
            "insert into idempotency_keys (id, organization_id, key_hash, request_hash, user_id, api_key_id)
             values (gen_random_uuid(), {id}, sha256(gen_random_uuid()::text::bytea), 'request', {user},
                     case when {user} is null then (select min(id) from api_keys where organization_id = {id}) end)"
        );
        execute(app, sql).await;
    }
    for sql in [
        format!("insert into specialist_specialties values ({id}, {specialist}, {specialty}), ({id}, {colleague}, {specialty})"),
        "insert into video_rooms (organization_id, appointment_id, patient_id, specialist_id, name, url, opens_at, closes_at)
             select organization_id, id, patient_id, specialist_id, 'room', 'https://daily.invalid/room', started_at, ended_at
             from appointments where status = 'scheduled'"
            .to_owned(),
        // For each specialist and patient, and for the desk.
        format!(
            "insert into calendar_departures (organization_id, appointment_uid, specialist_id, patient_id, modality, started_at,
                                              ended_at, sequence, appointment_created_at)
             select {id}, gen_random_uuid(), specialist, patient, 'video', now(), now() + interval '1 hour', 1, now()
             from (values ({specialist}, null), ({colleague}, null), (null, {own}), (null::bigint, null::bigint))
                  audience (specialist, patient)"
        ),
        "insert into clerk_events (id) values ('msg_1')".to_owned(),
        "insert into revoked_sessions values ('sess_1', now(), now() + interval '1 day')".to_owned(),
        // Of an administrator's invitations, and of nobody's.
        format!(
            "insert into invitations (organization_id, uid, kind, role, user_id, invited_by)
             values ({id}, gen_random_uuid(), 'membership', 'staff', {}, {admin}),
                    ({id}, gen_random_uuid(), 'membership', 'staff', {}, null)", people[2], people[3]
        ),
        // Another administrator's, with other keys and other people's.
        format!(
            "insert into api_keys (organization_id, name, prefix, secret_hash, scopes, created_by)
             select {id}, 'Another', 'rxkey_', 'hash', '{{}}', {}", people[2]
        ),
        format!(
            "insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id, reason,
                                         expires_at)
             values ({id}, 'hash', {}, {own}, {admin}, 'A test', now() + interval '9 minutes')", people[2]
        ),
    ] {
        execute(app, sql).await;
    }
}

/// Changes of columns that are none by themselves.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "public.appointments",
        "status",
        "status = case status when 'held' then 'expired' else 'cancelled' end, holder = null,
         cancelled_at = case when status <> 'held' then now() end,
         cancellation_reason = case when status <> 'held' then 'other' end",
    ),
    (
        "public.appointments",
        "started_at",
        "started_at = started_at + interval '1 day', ended_at = ended_at + interval '1 day',
         block = tstzrange(lower(block) + interval '1 day', upper(block) + interval '1 day')",
    ),
    (
        "public.appointments",
        "ended_at",
        "ended_at = ended_at + interval '1 hour', block = tstzrange(lower(block), upper(block) + interval '1 hour')",
    ),
    // A hold becomes booked, and nothing else a hold.
    (
        "public.appointments",
        "holder",
        "status = case status when 'held' then 'scheduled' else 'held' end,
         holder = case when status <> 'held' then 'another' end,
         hold_expires_at = case when status <> 'held' then now() end",
    ),
    ("public.memberships", "role", "role = case role when 'staff' then 'specialist' else 'staff' end"),
    ("public.invitations", "status", "status = 'revoked', ended_at = now()"),
];

#[tokio::test]
async fn each_role_reaches_the_rows_that_the_grid_says() {
    let app = CoreApp::start().await;
    let (specialist, patient) = seed(&app).await;
    let organization = app.home().id;
    let itself = format!("id = {organization}");
    let rights = RowRights {
        kind: Kind::Core,
        organization,
        askers: askers(&app, specialist, patient).await,
        scopes: &[("public.organizations", &itself)],
        changes: CHANGES,
    };
    rights.grid(&app.database, NOTES).await.assert_committed(FILE, GRID);
}
