//! `/v1/appointments/hold`: slots kept for their makers for ten minutes.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, BookAppointment, CancelAppointment, CancellationReason, HoldAppointment,
    RescheduleAppointment, Scope,
};
use test_support::{Actor, Answer, CoreApp, Role, eventually, granted, in_days, refused};

use crate::{appointment_race::outcomes, waitlist};

const LAPSE: &str = "hold_expires_at = now() - interval '1 second'";

fn slot(app: &CoreApp, patient: Option<i64>, started_at: DateTime<Utc>) -> HoldAppointment {
    HoldAppointment { patient_id: patient, specialist_id: app.home().specialist_id, started_at, template_id: None }
}

/// Returns the body that books a hold.
fn of_hold(id: i64) -> BookAppointment {
    BookAppointment {
        hold_id: Some(id),
        patient_id: None,
        specialist_id: None,
        started_at: None,
        template_id: None,
        title: None,
    }
}

async fn hold(app: &CoreApp, actor: &Actor, patient: Option<i64>, started_at: DateTime<Utc>) -> Appointment {
    granted(actor.appointment_hold_create().body(slot(app, patient, started_at)).send().await, 201)
}

/// Keeps the job that expires holds from running, so that a test sees which operations expire them.
async fn job_put_off(app: &CoreApp) {
    let off = "update jobs set run_at = now() + interval '1 day'
               where kind = 'holds_expire' and state = 'queued' and run_at > now()";
    eventually("the job has run and waits for its next turn", CoreApp::PATIENCE, || async {
        sqlx::query(off).execute(&mut app.owner().await).await.unwrap().rows_affected() == 1
    })
    .await;
}

/// Starts Core with a specialist who works around the clock; returns the patient record of home's patient.
async fn start() -> (CoreApp, i64) {
    let app = CoreApp::start().await;
    app.works_always(app.home().specialist_id).await;
    let own = app.patient_record().await.id;
    (app, own)
}

#[tokio::test]
async fn a_patient_holds_a_slot_and_books_it() {
    let (app, own) = start().await;
    let me = app.patient();
    let held = hold(&app, &me, None, in_days(2, 9)).await;
    assert_eq!((held.status, held.version, held.sequence), (AppointmentStatus::Held, 1, 0));
    assert_eq!((held.patient_id, held.specialist_id), (own, app.home().specialist_id));
    assert_eq!((held.started_at, held.ended_at), (in_days(2, 9), in_days(2, 9) + TimeDelta::minutes(30)));
    assert_eq!(held.user_id, Some(me.person().user_id));
    let ends = held.hold_expires_at.expect("a hold says until when");
    assert_eq!(ends - held.created_at, TimeDelta::minutes(10));

    let body = BookAppointment { title: Some("Knee".to_owned()), ..of_hold(held.id) };
    let booked = granted(me.appointment_book().body(body).send().await, 201);
    assert_eq!((booked.id, booked.uid, booked.status), (held.id, held.uid, AppointmentStatus::Scheduled));
    assert_eq!((booked.version, booked.hold_expires_at, booked.title.as_str()), (2, None, "Knee"));
    assert_eq!(granted(app.staff().appointment_get().appointment_id(held.id).send().await, 200), booked);
    // A hold is booked once.
    let again = refused(me.appointment_book().body(of_hold(held.id)).send().await, 409, "invalid_transition");
    assert_eq!((&again.details["from"], &again.details["to"]), (&"scheduled".into(), &"scheduled".into()));
    refused(me.appointment_hold_delete().appointment_id(held.id).send().await, 409, "invalid_transition");
    let trail = "select count(*) from audit_log where entity_type = 'appointment' and outcome = 'succeeded'
                   and (action, operation_id) in (('held', 'appointment_hold_create'), ('booked', 'appointment_book'))";
    assert_eq!(app.count(trail).await, 2);
    assert_eq!(app.count("select count(*) from appointments where holder is not null").await, 0);
}

#[tokio::test]
async fn a_hold_is_its_makers_alone() {
    let (app, own) = start().await;
    let (staff, me) = (app.staff(), app.patient());
    let colleague = app.actor(&app.member_add(Role::Staff).await);
    let other = app.patient_create(&staff, "Ann", "Lee").await.id;
    let at = in_days(2, 9);
    let of_other = hold(&app, &staff, Some(other), at).await;
    // Nobody else can hold or book the time, or move an appointment there.
    refused(me.appointment_hold_create().body(slot(&app, None, at)).send().await, 409, "slot_taken");
    let book = BookAppointment {
        hold_id: None,
        patient_id: Some(own),
        specialist_id: Some(app.home().specialist_id),
        started_at: Some(at),
        template_id: None,
        title: None,
    };
    refused(colleague.appointment_book().body(book.clone()).send().await, 409, "slot_taken");
    let create = CoreApp::new_appointment(app.home().specialist_id, own, at);
    refused(colleague.appointment_create().body(create).send().await, 409, "slot_taken");
    let elsewhere = app.appointment_create(&staff, app.home().specialist_id, own, in_days(3, 9)).await.id;
    let to = RescheduleAppointment { specialist_id: None, started_at: at, version: None };
    refused(staff.appointment_reschedule().appointment_id(elsewhere).body(to).send().await, 409, "slot_taken");

    // Other members of the clinic see the hold but cannot use it; other patients do not see it.
    refused(colleague.appointment_book().body(of_hold(of_other.id)).send().await, 403, "hold_not_own");
    refused(colleague.appointment_hold_delete().appointment_id(of_other.id).send().await, 403, "hold_not_own");
    refused(me.appointment_hold_delete().appointment_id(of_other.id).send().await, 404, "appointment_not_found");
    let refusal = refused(me.appointment_book().body(of_hold(of_other.id)).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/hold_id", "unknown_reference")]);
    let for_me = hold(&app, &staff, Some(own), in_days(2, 12)).await;
    refused(me.appointment_hold_delete().appointment_id(for_me.id).send().await, 403, "hold_not_own");
    refused(me.appointment_book().body(of_hold(for_me.id)).send().await, 403, "hold_not_own");
    assert_eq!(granted(staff.appointment_get().appointment_id(for_me.id).send().await, 200), for_me);

    granted(staff.appointment_hold_delete().appointment_id(of_other.id).send().await, 204);
    let released = granted(staff.appointment_get().appointment_id(of_other.id).send().await, 200);
    assert_eq!(released.status, AppointmentStatus::Expired);
    refused(staff.appointment_hold_delete().appointment_id(of_other.id).send().await, 409, "invalid_transition");
    refused(staff.appointment_book().body(of_hold(of_other.id)).send().await, 409, "invalid_transition");
    granted(colleague.appointment_book().body(book).send().await, 201);
}

#[tokio::test]
async fn a_hold_that_has_run_out_blocks_nothing() {
    let (app, own) = start().await;
    job_put_off(&app).await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let others = app.patients_add(5).await;
    let mut holds = Vec::new();
    for (hour, (_, other)) in (9..).zip(&others) {
        let held = hold(&app, &staff, Some(*other), in_days(2, hour)).await;
        app.appointment_set(held.id, LAPSE).await;
        holds.push(held);
    }
    refused(staff.appointment_book().body(of_hold(holds[0].id)).send().await, 409, "hold_expired");

    let me = app.patient();
    let book = BookAppointment {
        hold_id: None,
        patient_id: None,
        specialist_id: Some(specialist),
        started_at: Some(in_days(2, 9)),
        template_id: None,
        title: None,
    };
    let booked = granted(me.appointment_book().body(book).send().await, 201);
    hold(&app, &me, None, in_days(2, 10)).await;
    app.appointment_create(&staff, specialist, own, in_days(2, 11)).await;
    let to = RescheduleAppointment { specialist_id: None, started_at: in_days(2, 12), version: None };
    let moved = granted(me.appointment_reschedule().appointment_id(booked.id).body(to).send().await, 200);
    assert_eq!(moved.started_at, in_days(2, 12));
    let change = restartix_sdk::core::types::UpdateAppointment {
        ended_at: in_days(2, 14),
        patient_id: own,
        specialist_id: specialist,
        specialty_id: None,
        started_at: in_days(2, 13),
        title: None,
        version: moved.version,
    };
    granted(staff.appointment_update().appointment_id(booked.id).body(change).send().await, 200);

    for held in &holds {
        let now = granted(staff.appointment_get().appointment_id(held.id).send().await, 200);
        assert_eq!((now.status, now.version), (AppointmentStatus::Expired, 2));
    }
    // Each was expired by another operation, in its transaction.
    let trail = "select count(distinct operation_id) from audit_log where action = 'expired'";
    assert_eq!(app.count(trail).await, 5);
    refused(staff.appointment_book().body(of_hold(holds[0].id)).send().await, 409, "hold_expired");
}

#[tokio::test]
async fn a_booking_takes_the_time_of_a_lapsed_hold_also_under_an_idempotency_key() {
    let (app, own) = start().await;
    job_put_off(&app).await;
    let staff = app.staff();
    let other = app.patient_create(&staff, "Ann", "Lee").await.id;
    let held = hold(&app, &staff, Some(other), in_days(2, 9)).await;
    let body = CoreApp::new_appointment(app.home().specialist_id, own, in_days(2, 9));
    let book = async |key: &str| {
        let request = staff.request(Method::POST, "/v1/appointments").header("idempotency-key", key);
        Answer::to(request.json(&body)).await
    };
    book("8d7b").await.refusal(409, "slot_taken");
    assert_eq!(granted(staff.appointment_get().appointment_id(held.id).send().await, 200), held);

    app.appointment_set(held.id, LAPSE).await;
    let booked = book("5c1e").await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    assert_eq!(book("5c1e").await.body, booked.body);
    let now = granted(staff.appointment_get().appointment_id(held.id).send().await, 200);
    assert_eq!((now.status, now.version), (AppointmentStatus::Expired, 2));
    assert_eq!(app.count("select count(*) from appointments where status = 'scheduled'").await, 1);
    let trail = "select count(*) from audit_log where operation_id = 'appointment_create' and outcome = 'succeeded'
                   and action in ('created', 'expired')";
    assert_eq!(app.count(trail).await, 2);
}

#[tokio::test]
async fn a_hold_is_no_appointment_yet() {
    let (app, own) = start().await;
    let staff = app.staff();
    let held = hold(&app, &staff, Some(own), in_days(2, 9)).await;
    let reason = CancelAppointment { reason: CancellationReason::PatientRequest };
    let cancel = staff.appointment_cancel().appointment_id(held.id).body(reason).send().await;
    let refusal = refused(cancel, 409, "invalid_transition");
    assert_eq!((&refusal.details["from"], &refusal.details["to"]), (&"held".into(), &"cancelled".into()));
    let to = RescheduleAppointment { specialist_id: None, started_at: in_days(2, 12), version: None };
    let moved = staff.appointment_reschedule().appointment_id(held.id).body(to).send().await;
    refused(moved, 409, "invalid_transition");
    assert_eq!(granted(staff.appointment_get().appointment_id(held.id).send().await, 200), held);
}

#[tokio::test]
async fn holds_that_have_run_out_are_ended_by_the_service() {
    let (app, own) = start().await;
    let staff = app.staff();
    let live = hold(&app, &staff, Some(own), in_days(2, 9)).await;
    let lapsed = hold(&app, &staff, Some(own), in_days(2, 10)).await;
    app.appointment_set(lapsed.id, LAPSE).await;
    let due = "update jobs set run_at = now() where kind = 'holds_expire' and state = 'queued'";
    eventually("the hold is ended", CoreApp::PATIENCE, || async {
        sqlx::query(due).execute(&mut app.owner().await).await.unwrap();
        let now = granted(staff.appointment_get().appointment_id(lapsed.id).send().await, 200);
        now.status == AppointmentStatus::Expired
    })
    .await;
    assert_eq!(granted(staff.appointment_get().appointment_id(live.id).send().await, 200), live);
    let row: (i64, String, String, String) = sqlx::query_as(
        "select organization_id, actor_kind, entity_id, operation_id from audit_log where action = 'expired'",
    )
    .fetch_one(&mut app.owner().await)
    .await
    .unwrap();
    let expected = (app.home().id, "system".to_owned(), lapsed.id.to_string(), "holds_expire".to_owned());
    assert_eq!(row, expected);
}

#[tokio::test]
async fn who_holds_and_books_for_whom() {
    let (app, own) = start().await;
    let (staff, me) = (app.staff(), app.patient());
    let other = app.patient_create(&staff, "Ann", "Lee").await.id;
    let at = in_days(2, 9);
    let refusal =
        refused(me.appointment_hold_create().body(slot(&app, Some(other), at)).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "not_own")]);
    let refusal =
        refused(staff.appointment_hold_create().body(slot(&app, None, at)).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "required")]);
    let refusal = refused(
        staff.appointment_hold_create().body(slot(&app, Some(9999), at)).send().await,
        422,
        "validation_failed",
    );
    assert_eq!(refusal.fields(), [("/patient_id", "unknown_reference")]);
    let nobody = app.actor(&app.member_add(Role::Patient).await);
    let refusal =
        refused(nobody.appointment_hold_create().body(slot(&app, None, at)).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "unknown_reference")]);
    let unknown = HoldAppointment { specialist_id: 9999, ..slot(&app, Some(own), at) };
    let refusal = refused(staff.appointment_hold_create().body(unknown).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "unknown_reference")]);
    let specialist = app.specialist();
    let hold_of = |patient| slot(&app, Some(patient), at);
    refused(specialist.appointment_hold_create().body(hold_of(own)).send().await, 403, "permission_denied");
    refused(specialist.appointment_book().body(of_hold(1)).send().await, 403, "permission_denied");

    // An API key may do what staff may, and its holds are its own.
    let reader = app.program(&[Scope::AppointmentsRead]).await;
    refused(reader.appointment_hold_create().body(hold_of(own)).send().await, 403, "permission_denied");
    let program = app.program(&[Scope::AppointmentsWrite]).await;
    let held = granted(program.appointment_hold_create().body(hold_of(own)).send().await, 201);
    assert_eq!(held.user_id, None);
    refused(staff.appointment_hold_delete().appointment_id(held.id).send().await, 403, "hold_not_own");
    let booked = granted(program.appointment_book().body(of_hold(held.id)).send().await, 201);
    assert_eq!((booked.id, booked.status), (held.id, AppointmentStatus::Scheduled));
}

/// Time that a refusal of a hold names as the next one's.
fn available_at(details: &serde_json::Value) -> DateTime<Utc> {
    details["available_at"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{details}"))
}

#[tokio::test]
async fn a_patient_holds_three_slots_at_a_time() {
    let (app, own) = start().await;
    let (me, specialist) = (app.patient(), app.home().specialist_id);
    // An offer of the waitlist is held for the patient, but not by it.
    waitlist::wait(&app.staff(), waitlist::wish(specialist, Some(own), in_days(2, 9), in_days(2, 10))).await;
    eventually("the patient is offered a slot", CoreApp::PATIENCE, || async {
        app.count("select count(*) from appointments where status = 'held' and waitlist_entry_id is not null").await
            == 1
    })
    .await;
    let mut holds = Vec::new();
    for hour in 11..14 {
        holds.push(hold(&app, &me, None, in_days(2, hour)).await);
    }
    let fourth = || me.appointment_hold_create().body(slot(&app, None, in_days(2, 15))).send();
    let refusal = refused(fourth().await, 409, "too_many_holds");
    assert_eq!(refusal.details["limit"], 3);
    assert_eq!(Some(available_at(&refusal.details)), holds[0].hold_expires_at);
    // Each way in which a hold ends makes room for another.
    granted(me.appointment_hold_delete().appointment_id(holds[0].id).send().await, 204);
    granted(fourth().await, 201);
    granted(me.appointment_book().body(of_hold(holds[1].id)).send().await, 201);
    hold(&app, &me, None, in_days(2, 16)).await;
    app.appointment_set(holds[2].id, LAPSE).await;
    hold(&app, &me, None, in_days(2, 17)).await;
    refused(me.appointment_hold_create().body(slot(&app, None, in_days(2, 18))).send().await, 409, "too_many_holds");
}

#[tokio::test]
async fn a_patient_makes_ten_holds_a_day() {
    let (app, _) = start().await;
    let me = app.patient();
    let mut made = Vec::new();
    for _ in 0..10 {
        let held = hold(&app, &me, None, in_days(2, 9)).await;
        granted(me.appointment_hold_delete().appointment_id(held.id).send().await, 204);
        made.push(held);
    }
    let eleventh = || me.appointment_hold_create().body(slot(&app, None, in_days(2, 9))).send();
    let refusal = refused(eleventh().await, 409, "too_many_holds_a_day");
    assert_eq!(refusal.details["limit"], 10);
    assert_eq!(available_at(&refusal.details), made[0].created_at + TimeDelta::hours(24));
    // A booking needs no hold, and a day later the oldest one counts no more.
    let book = BookAppointment {
        specialist_id: Some(app.home().specialist_id),
        started_at: Some(in_days(2, 12)),
        hold_id: None,
        ..of_hold(0)
    };
    granted(me.appointment_book().body(book).send().await, 201);
    app.appointment_set(made[0].id, "held_at = held_at - interval '24 hours'").await;
    granted(eleventh().await, 201);
}

/// Inserts holds of a maker in the year 2100, by SQL.
async fn holds_add(app: &CoreApp, holder: &str, patient: i64, count: i32) {
    sqlx::query(
        "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id, holder,
                                   hold_expires_at)
         select $1, 'held', at, at + interval '1 hour', tstzrange(at, at + interval '1 hour'), $2, $3, $4,
                now() + interval '9 minutes'
         from generate_series(1, $5) as hour
         cross join lateral (select timestamptz '2100-01-01 00:00Z' + hour * interval '1 hour' as at) slot",
    )
    .bind(app.home().id)
    .bind(app.home().specialist_id)
    .bind(patient)
    .bind(holder)
    .bind(count)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
}

#[tokio::test]
async fn parallel_holds_do_not_exceed_the_limit() {
    let (app, own) = start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let mut specialists = vec![app.home().specialist_id];
    for number in 0..5 {
        let specialist = app.specialist_create(&admin, &format!("Dr. Colleague {number}")).await.id;
        app.works_always(specialist).await;
        specialists.push(specialist);
    }
    let of = |place: usize, patient_id| HoldAppointment {
        specialist_id: specialists[place],
        ..slot(&app, patient_id, in_days(2, 9) + TimeDelta::hours(i64::try_from(place).unwrap()))
    };
    let limited = |room: usize| {
        let said = [("201".to_owned(), room), ("409 too_many_holds".to_owned(), specialists.len() - room)];
        said.into_iter().collect()
    };

    let me = app.patient();
    let attempts = (0..specialists.len()).map(|place| me.appointment_hold_create().body(of(place, None)).send());
    assert_eq!(outcomes(join_all(attempts).await).await, limited(3));

    // Staff holds up to fifty slots. Each request is for another patient and specialist, so that only the limit makes
    // them wait for each other.
    holds_add(&app, &format!("user:{}", staff.person().user_id), own, 48).await;
    let patients = app.patients_add(6).await;
    let attempts = patients.iter().enumerate().map(|(place, (_, patient))| {
        let later = HoldAppointment { started_at: in_days(4, 9), ..of(place, Some(*patient)) };
        staff.appointment_hold_create().body(later).send()
    });
    assert_eq!(outcomes(join_all(attempts).await).await, limited(2));
    // The limit is the person's, not the clinic's; a key has its own.
    let program = app.program(&[Scope::AppointmentsWrite]).await;
    let body = HoldAppointment { started_at: in_days(6, 9), ..of(0, Some(patients[0].1)) };
    granted(admin.appointment_hold_create().body(body).send().await, 201);
    let body = HoldAppointment { started_at: in_days(6, 11), ..of(0, Some(patients[0].1)) };
    granted(program.appointment_hold_create().body(body).send().await, 201);
}
