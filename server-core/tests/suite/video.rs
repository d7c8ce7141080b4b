//! Video appointments: their rooms at Daily and the tokens of participants.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use restartix_sdk::core::{
    builder::VideoTokenCreate,
    types::{
        Appointment, BeginImpersonation, BookAppointment, CancelAppointment, CancellationReason, RescheduleAppointment,
        Scope, UpdateAppointment,
    },
};
use serde_json::Value;
use test_support::{
    Actor, CoreApp, CoreBuilder, DailyApi, DailyFailure, Role, Template, granted, in_days, refused, until,
};
use uuid::Uuid;

fn core(daily: &DailyApi) -> CoreBuilder {
    CoreApp::builder().env("DAILY_REST_DOMAIN", daily.url()).env("DAILY_API_KEY", daily.api_key())
}

async fn start() -> (DailyApi, CoreApp) {
    let daily = DailyApi::start().await;
    let app = core(&daily).start().await;
    (daily, app)
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

/// Creates a video appointment of home's patient and specialist, without a room.
async fn appointment(app: &CoreApp, started_at: DateTime<Utc>) -> Appointment {
    let patient = app.patient_record().await.id;
    let mut body = CoreApp::new_appointment(app.home().specialist_id, patient, started_at);
    body.title = Some("planted-title".to_owned());
    let appointment = granted(app.staff().appointment_create().body(body).send().await, 201);
    sqlx::query("update appointments set modality = 'video' where id = $1")
        .bind(appointment.id)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    appointment
}

/// Creates one that has begun.
async fn appointment_now(app: &CoreApp) -> Appointment {
    appointment(app, Utc::now() - minutes(5)).await
}

/// Returns the job that a change of the appointment enqueued.
async fn enqueued(app: &CoreApp, appointment: i64) -> Uuid {
    sqlx::query_scalar(
        "insert into jobs (id, organization_id, kind, payload)
         values (gen_random_uuid(), $1, 'video_room_follow', jsonb_build_object('appointment_id', $2::bigint))
         returning id",
    )
    .bind(app.home().id)
    .bind(appointment)
    .fetch_one(&mut app.owner().await)
    .await
    .unwrap()
}

async fn succeeded(app: &CoreApp, job: Uuid) {
    until("the job is done", CoreApp::PATIENCE, || async {
        let state: String = sqlx::query_scalar("select state from jobs where id = $1")
            .bind(job)
            .fetch_one(&mut app.owner().await)
            .await
            .unwrap();
        (state == "succeeded").then_some(())
    })
    .await;
}

/// Moves the appointment to a number of minutes from now, without checks.
async fn placed(app: &CoreApp, appointment: i64, from: i64, to: i64) {
    sqlx::query(
        "update appointments
         set started_at = now() + make_interval(mins => $2), ended_at = now() + make_interval(mins => $3),
             block = tstzrange(now() + make_interval(mins => $2), now() + make_interval(mins => $3)) where id = $1",
    )
    .bind(appointment)
    .bind(i32::try_from(from).unwrap())
    .bind(i32::try_from(to).unwrap())
    .execute(&mut app.owner().await)
    .await
    .unwrap();
}

fn join(actor: &Actor, appointment: i64) -> VideoTokenCreate<'_> {
    actor.video_token_create().appointment_id(appointment)
}

fn seconds(of: &serde_json::Map<String, Value>, name: &str) -> i64 {
    of[name].as_i64().unwrap()
}

#[tokio::test]
async fn a_room_follows_what_becomes_of_its_appointment() {
    let (daily, app) = start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let template_id = app.template_add(Template { modality: "video", ..Template::of_minutes(45) }).await;
    let patient_id = app.patient_record().await.id;
    let book = async |days| {
        let body = BookAppointment {
            hold_id: None,
            patient_id: Some(patient_id),
            specialist_id: Some(specialist),
            started_at: Some(in_days(days, 9)),
            template_id: Some(template_id),
            title: None,
        };
        granted(staff.appointment_book().body(body).send().await, 201).id
    };
    let opens_at = async |what: &str, moments: &[DateTime<Utc>]| {
        until(what, CoreApp::PATIENCE, || async {
            let mut open: Vec<i64> = daily.rooms().iter().map(|room| seconds(&room.config, "nbf")).collect();
            open.sort_unstable();
            let wanted: Vec<i64> = moments.iter().map(|moment| (*moment - minutes(15)).timestamp()).collect();
            (open == wanted).then_some(())
        })
        .await;
    };
    let (first, second) = (book(2).await, book(3).await);
    opens_at("both have rooms", &[in_days(2, 9), in_days(3, 9)]).await;
    let body = RescheduleAppointment { specialist_id: None, started_at: in_days(4, 9), version: None };
    granted(staff.appointment_reschedule().appointment_id(first).body(body).send().await, 200);
    opens_at("the room has moved", &[in_days(3, 9), in_days(4, 9)]).await;
    let body = CancelAppointment { reason: CancellationReason::Other };
    granted(staff.appointment_cancel().appointment_id(first).body(body).send().await, 200);
    opens_at("what was cancelled has no room", &[in_days(3, 9)]).await;
    granted(app.admin().appointment_delete().appointment_id(second).send().await, 204);
    opens_at("what was deleted has none either", &[]).await;
}

#[tokio::test]
async fn a_booking_does_not_wait_for_daily_and_has_its_room_when_daily_is_back() {
    let (daily, app) = start().await;
    daily.fail(Some(DailyFailure::Down));
    let booked = appointment(&app, in_days(2, 9)).await;
    let job = enqueued(&app, booked.id).await;
    until("the job has failed", CoreApp::PATIENCE, || async {
        let failed = "select count(*) from jobs where kind = 'video_room_follow' and last_error = 'video_unavailable'";
        (app.count(failed).await == 1).then_some(())
    })
    .await;
    assert_eq!(daily.rooms(), []);
    daily.fail(None);
    succeeded(&app, job).await;

    let [room] = daily.rooms().try_into().unwrap();
    assert_eq!(room.privacy, "private");
    assert_eq!(seconds(&room.config, "nbf"), (booked.started_at - minutes(15)).timestamp());
    assert_eq!(seconds(&room.config, "exp"), (booked.ended_at + minutes(30)).timestamp());
    assert_eq!(room.config["eject_at_room_exp"], true);
    let stored: (i64, String, String) = sqlx::query_as("select appointment_id, name, url from video_rooms")
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap();
    assert_eq!(stored, (booked.id, room.name.clone(), room.url()));

    // Repeated, as after a crash, the job keeps the room.
    let again = enqueued(&app, booked.id).await;
    succeeded(&app, again).await;
    assert_eq!(daily.rooms(), [room]);
}

#[tokio::test]
async fn a_pause_that_daily_asks_for_is_no_failure() {
    let (daily, app) = start().await;
    daily.fail(Some(DailyFailure::Limited(Duration::from_mins(5))));
    let booked = appointment(&app, in_days(2, 9)).await;
    enqueued(&app, booked.id).await;
    until("the job waits as long as it was told to", CoreApp::PATIENCE, || async {
        let waits = "select count(*) from jobs where kind = 'video_room_follow' and state = 'queued' and attempts = 0
                     and run_at between now() + interval '4 minutes' and now() + interval '5 minutes'";
        (app.count(waits).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_joins_first_finds_one_room_however_many_come_at_once() {
    let (daily, app) = start().await;
    let appointment = appointment_now(&app).await;
    let (patient, specialist) = (app.patient(), app.specialist());
    let joining = [&patient, &specialist, &patient, &specialist];
    let joined = joining.map(async |who| granted(join(who, appointment.id).send().await, 201));
    let joined = join_all(joined).await;
    let [room] = daily.rooms().try_into().unwrap();
    assert_eq!(app.count("select count(*) from video_rooms").await, 1);
    let tokens = daily.tokens();
    assert_eq!(tokens.len(), 4);
    let closes = appointment.ended_at + minutes(30);
    for (answer, role) in joined.iter().zip(["Patient", "Specialist", "Patient", "Specialist"]) {
        assert_eq!((answer.room_url.as_str(), answer.expires_at), (room.url().as_str(), closes));
        let made = &tokens.iter().find(|made| made.token == answer.token).unwrap().properties;
        assert_eq!((made["room_name"].as_str(), made["user_name"].as_str()), (Some(room.name.as_str()), Some(role)));
        assert_eq!((seconds(made, "exp"), made["eject_at_token_exp"].as_bool()), (closes.timestamp(), Some(true)));
        assert_eq!(seconds(made, "nbf"), (appointment.started_at - minutes(15)).timestamp());
        assert_eq!(made["is_owner"], role == "Specialist");
    }
    let names: std::collections::BTreeSet<_> = tokens.iter().map(|made| made.properties["user_id"].as_str()).collect();
    assert_eq!(names.len(), 2, "each participant is one person to Daily");

    // The next token needs no request for the room.
    let asked = daily.heard().len();
    granted(join(&patient, appointment.id).send().await, 201);
    assert_eq!(daily.heard().len(), asked + 1);
    let joins: Vec<i64> = sqlx::query_scalar(
        "select actor_user_id from audit_log where action = 'joined' and entity_type = 'appointment' order by 1",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let mut expected = [patient.person().user_id; 5];
    expected[3..].fill(specialist.person().user_id);
    expected.sort_unstable();
    assert_eq!(joins, expected);
}

#[tokio::test]
async fn a_room_is_open_around_its_appointment_and_moves_with_it() {
    let (daily, app) = start().await;
    let appointment = appointment_now(&app).await;
    let me = app.patient();
    for (from, to) in [(14, 74), (-89, -29)] {
        placed(&app, appointment.id, from, to).await;
        let answer = granted(join(&me, appointment.id).send().await, 201);
        let [room] = daily.rooms().try_into().unwrap();
        assert_eq!(seconds(&room.config, "exp"), answer.expires_at.timestamp(), "the room goes with its appointment");
    }
    for (from, to) in [(16, 76), (-91, -31)] {
        placed(&app, appointment.id, from, to).await;
        let refusal = refused(join(&me, appointment.id).send().await, 409, "video_not_open");
        let at = |name: &str| refusal.details[name].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!(at("closes_at") - at("opens_at"), minutes(60 + 15 + 30));
        assert!(!(at("opens_at")..at("closes_at")).contains(&Utc::now()));
    }
}

#[tokio::test]
async fn a_move_takes_the_room_along() {
    let (daily, app) = start().await;
    let booked = appointment(&app, in_days(2, 9)).await;
    let job = enqueued(&app, booked.id).await;
    succeeded(&app, job).await;
    let [before] = daily.rooms().try_into().unwrap();
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let change = UpdateAppointment {
        ended_at: in_days(3, 12),
        patient_id: booked.patient_id,
        specialist_id: colleague,
        specialty_id: None,
        started_at: in_days(3, 11),
        title: None,
        version: booked.version,
    };
    granted(app.staff().appointment_update().appointment_id(booked.id).body(change).send().await, 200);
    let job = enqueued(&app, booked.id).await;
    succeeded(&app, job).await;
    let [after] = daily.rooms().try_into().unwrap();
    assert_eq!((&after.id, &after.name), (&before.id, &before.name));
    assert_eq!(seconds(&after.config, "nbf"), (in_days(3, 11) - minutes(15)).timestamp());
    let stored: i64 =
        sqlx::query_scalar("select specialist_id from video_rooms").fetch_one(&mut app.owner().await).await.unwrap();
    assert_eq!(stored, colleague, "who sees the appointment sees the room");
}

#[tokio::test]
async fn what_is_called_off_loses_its_room_whatever_else_was_under_way() {
    let (daily, app) = start().await;
    let booked = appointment(&app, Utc::now() + minutes(10)).await;
    granted(join(&app.patient(), booked.id).send().await, 201);
    let cancel = CancelAppointment { reason: CancellationReason::PatientRequest };
    granted(app.staff().appointment_cancel().appointment_id(booked.id).body(cancel).send().await, 200);
    refused(join(&app.patient(), booked.id).send().await, 409, "video_not_open");
    let job = enqueued(&app, booked.id).await;
    succeeded(&app, job).await;
    assert_eq!(daily.rooms(), []);
    assert_eq!(app.count("select count(*) from video_rooms").await, 0);
    // A late job of an earlier change creates no room.
    let late = enqueued(&app, booked.id).await;
    succeeded(&app, late).await;
    assert_eq!(daily.rooms(), []);
    let rows: Vec<String> =
        sqlx::query_scalar("select action from audit_log where entity_type = 'video_room' order by id")
            .fetch_all(&mut app.owner().await)
            .await
            .unwrap();
    assert_eq!(rows, ["created", "deleted"]);
}

#[tokio::test]
async fn only_appointments_by_video_that_stand_are_joined() {
    let (daily, app) = start().await;
    let appointment = appointment_now(&app).await;
    let me = app.patient();
    for (change, status, code) in [
        ("status = 'in_progress'", 201, ""),
        ("status = 'confirmed'", 201, ""),
        ("status = 'completed'", 409, "video_not_open"),
        ("status = 'no_show'", 409, "video_not_open"),
        ("status = 'expired'", 409, "video_not_open"),
        ("status = 'scheduled', modality = 'in_person'", 409, "not_a_video_appointment"),
        ("modality = 'video', deleted_at = now()", 404, "appointment_not_found"),
    ] {
        let sql = format!("update appointments set {change} where id = {}", appointment.id);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
        let answer = join(&me, appointment.id).send().await;
        if status == 201 {
            granted(answer, status);
        } else {
            refused(answer, status, code);
        }
    }
    assert_eq!(daily.tokens().len(), 2);
    refused(join(&me, 999_999).send().await, 404, "appointment_not_found");
}

#[tokio::test]
async fn nobody_joins_but_its_patient_and_its_specialist() {
    let (daily, app) = start().await;
    let appointment = appointment_now(&app).await;
    for actor in [app.admin(), app.staff()] {
        refused(join(&actor, appointment.id).send().await, 403, "permission_denied");
    }
    let program = app.program(&[Scope::AppointmentsRead, Scope::AppointmentsWrite]).await;
    let asked = program.video_token_create().appointment_id(appointment.id);
    refused(asked.send().await, 403, "permission_denied");
    let superadmin = app.superadmin().in_organization(app.home().id);
    refused(join(&superadmin, appointment.id).send().await, 403, "not_a_participant");

    // Another specialist and patient of the same organization, and members of another one.
    let (patient, specialist) = (app.member_add(Role::Patient).await, app.member_add(Role::Specialist).await);
    app.patient_of(&patient, CoreApp::new_patient("Ann", "Other")).await;
    let record = app.specialist_create(&app.admin(), "Dr. Other").await.id;
    app.specialist_link(&app.admin(), record, &specialist).await;
    for person in [&patient, &specialist, &app.away().specialist, &app.away().patient] {
        refused(join(&app.actor(person), appointment.id).send().await, 404, "appointment_not_found");
    }

    // Impersonation does not help.
    let body = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let begun =
        granted(app.admin().patient_impersonate().patient_id(appointment.patient_id).body(body).send().await, 201);
    refused(join(&app.admin().holding(&begun.token), appointment.id).send().await, 403, "impersonation_not_allowed");
    assert_eq!(daily.heard(), [] as [&str; 0], "nobody's attempt gets as far as Daily");
    granted(join(&app.specialist(), appointment.id).send().await, 201);
}

#[tokio::test]
async fn what_is_wrong_with_daily_is_told_apart() {
    let (daily, app) = start().await;
    let appointment = appointment_now(&app).await;
    let me = app.patient();
    daily.fail(Some(DailyFailure::Down));
    let refusal = refused(join(&me, appointment.id).send().await, 503, "video_unavailable");
    assert_eq!(refusal.header("retry-after"), "1");
    daily.fail(Some(DailyFailure::Limited(Duration::from_secs(7))));
    let refusal = refused(join(&me, appointment.id).send().await, 503, "video_unavailable");
    assert_eq!(refusal.header("retry-after"), "7");
    daily.fail(None);

    let foreign = app.second_core_with(&[("DAILY_API_KEY", "another-key-of-nobody")]).await;
    refused(join(&me.at(&foreign.url()), appointment.id).send().await, 502, "video_refused");
    let nowhere = app.second_core_with(&[("DAILY_REST_DOMAIN", "http://127.0.0.1:9/v1")]).await;
    refused(join(&me.at(&nowhere.url()), appointment.id).send().await, 503, "video_unavailable");
    let without = app.second_core_with(&[("DAILY_API_KEY", "")]).await;
    let refusal = refused(join(&me.at(&without.url()), appointment.id).send().await, 503, "video_not_configured");
    assert!(!refusal.header("retry-after").is_empty());
    assert_eq!(app.count("select count(*) from audit_log where action = 'joined'").await, 0);
    for server in [&app.server, &foreign, &nowhere] {
        assert!(!server.log().contains("rx-"), "no log says in which room");
    }
    granted(join(&me, appointment.id).send().await, 201);
}

#[tokio::test]
async fn daily_learns_nothing_and_nobody_else_learns_the_token() {
    let daily = DailyApi::start().await;
    let app = core(&daily).env("LOG_LEVEL", "debug").start().await;
    let appointment = appointment_now(&app).await;
    let key = Uuid::new_v4().to_string();
    let me = app.patient();
    let join = || join(&me, appointment.id).idempotency_key(&key);
    let answer = granted(join().send().await, 201);
    refused(join().send().await, 409, "secret_already_shown");
    assert_eq!(app.count("select count(*) from audit_log where action = 'joined'").await, 1);
    let job = enqueued(&app, appointment.id).await;
    succeeded(&app, job).await;

    let heard = daily.heard().join("\n");
    let uid = appointment.uid;
    for told in ["Pia", "Own", "planted-title", &uid.to_string(), &uid.simple().to_string(), &me.person().clerk_id] {
        assert!(!heard.contains(told), "Daily is told {told}: {heard}");
    }
    let (log, dump) = (app.server.log(), app.database.dump());
    let dump = String::from_utf8_lossy(&dump);
    assert!(log.contains("video_token_create"), "the log has the request: {log}");
    let claims = answer.token.split('.').nth(1).unwrap();
    for secret in [answer.token.as_str(), claims, daily.api_key()] {
        assert!(!log.contains(secret) && !dump.contains(secret), "a secret can be read");
    }
    assert!(!log.contains("rx-"), "the log says in which room: {log}");
}
