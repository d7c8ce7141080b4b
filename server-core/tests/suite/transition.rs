//! State machine of appointments: allowed and refused transitions.

use restartix_sdk::{
    Error, ResponseValue,
    core::types::{Appointment, AppointmentStatus, CancelAppointment, CancellationReason, ErrorEnvelope},
};
use test_support::{Actor, CoreApp, granted, in_days, refused, until};

const REASON: CancelAppointment = CancelAppointment { reason: CancellationReason::ClinicRequest };

const STATES: [(&str, &str); 8] = [
    ("held", "status = 'held', holder = 'user:1', hold_expires_at = now() + interval '1 hour'"),
    ("expired", "status = 'expired'"),
    ("scheduled", "status = 'scheduled'"),
    ("confirmed", "status = 'confirmed'"),
    ("in_progress", "status = 'in_progress'"),
    ("completed", "status = 'completed'"),
    ("cancelled", "status = 'cancelled'"),
    ("no_show", "status = 'no_show'"),
];

/// Action, status that it leads to, and statuses from which it is allowed.
const ACTIONS: [(&str, &str, &[&str]); 5] = [
    ("confirm", "confirmed", &["scheduled"]),
    ("start", "in_progress", &["confirmed"]),
    ("complete", "completed", &["in_progress"]),
    ("no_show", "no_show", &["scheduled", "confirmed"]),
    ("cancel", "cancelled", &["scheduled", "confirmed"]),
];

type Outcome = Result<ResponseValue<Appointment>, Error<ErrorEnvelope>>;

async fn act(actor: &Actor, action: &str, id: i64) -> Outcome {
    match action {
        "confirm" => actor.appointment_confirm().appointment_id(id).send().await,
        "start" => actor.appointment_start().appointment_id(id).send().await,
        "complete" => actor.appointment_complete().appointment_id(id).send().await,
        "no_show" => actor.appointment_no_show().appointment_id(id).send().await,
        "cancel" => actor.appointment_cancel().appointment_id(id).body(REASON).send().await,
        other => panic!("no action: {other}"),
    }
}

#[tokio::test]
async fn every_action_in_every_state() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut expected = Vec::new();
    let mut day = 1;
    for (state, assignments) in STATES {
        for (action, to, from) in ACTIONS {
            day += 1;
            let id = app.appointment_create(&staff, specialist, patient, in_days(day, 9)).await.id;
            app.appointment_set(id, assignments).await;
            let before = granted(staff.appointment_get().appointment_id(id).send().await, 200);
            let outcome = act(&staff, action, id).await;
            if from.contains(&state) {
                let done = granted(outcome, 200);
                assert_eq!(done.status.to_string(), to, "{action} of {state}");
                assert_eq!(done.version, before.version + 1, "{action} of {state}");
                // Calendars show a confirmation and a cancellation, but not that it has begun or is over.
                let calendars = i32::from(["confirm", "cancel", "no_show"].contains(&action));
                assert_eq!(done.sequence, before.sequence + calendars, "{action} of {state}");
                continue;
            }
            let code =
                if (action, state) == ("cancel", "cancelled") { "already_cancelled" } else { "invalid_transition" };
            let refusal = refused(outcome, 409, code);
            if code == "invalid_transition" {
                let named = (refusal.details["from"].as_str(), refusal.details["to"].as_str());
                assert_eq!(named, (Some(state), Some(to)), "{action} of {state}");
            }
            let after = granted(staff.appointment_get().appointment_id(id).send().await, 200);
            assert_eq!(after, before, "a refused {action} of {state} changes nothing");
            expected.push((action.to_owned(), id.to_string(), code.to_owned()));
        }
    }
    assert_eq!(expected.len(), 40 - 7);
    // The audit log has each refusal, with its action and appointment.
    let (recorded, _) = until("the refusals are recorded", CoreApp::PATIENCE, || async {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "select action, entity_id, error_code from audit_log
             where outcome = 'failed' and entity_type = 'appointment' order by id",
        )
        .fetch_all(&mut app.owner().await)
        .await
        .unwrap();
        (rows.len() >= expected.len()).then_some(rows)
    })
    .await;
    assert_eq!(recorded, expected);
}

#[tokio::test]
async fn the_clinic_says_how_an_appointment_goes() {
    let app = CoreApp::start().await;
    let (staff, me, patient) = (app.staff(), app.specialist(), app.patient());
    let own = app.patient_record().await.id;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let mine = app.appointment_create(&staff, app.home().specialist_id, own, in_days(2, 9)).await.id;
    let theirs = app.appointment_create(&staff, colleague, own, in_days(2, 11)).await.id;
    for action in ["confirm", "start", "complete", "no_show"] {
        refused(act(&patient, action, mine).await, 403, "permission_denied");
        refused(act(&me, action, theirs).await, 404, "appointment_not_found");
        refused(act(&app.other_admin(), action, mine).await, 404, "appointment_not_found");
    }
    for (action, status) in [
        ("confirm", AppointmentStatus::Confirmed),
        ("start", AppointmentStatus::InProgress),
        ("complete", AppointmentStatus::Completed),
    ] {
        assert_eq!(granted(act(&me, action, mine).await, 200).status, status);
    }
    granted(act(&staff, "no_show", theirs).await, 200);
    // A missed appointment blocks nothing.
    app.appointment_create(&staff, colleague, own, in_days(2, 11)).await;
    let trail: Vec<String> = sqlx::query_scalar(
        "select action from audit_log where outcome = 'succeeded' and entity_id = $1 and entity_type = 'appointment'
         order by id",
    )
    .bind(mine.to_string())
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(trail, ["created", "confirmed", "started", "completed"]);
}

#[tokio::test]
async fn a_specialist_is_nobody_where_it_is_treated() {
    let app = CoreApp::start().await;
    let (admin, me) = (app.admin(), app.specialist());
    let own = app.patient_create(&admin, "Sam", "Both").await.id;
    // Earlier versions allowed this link.
    let link = format!("update patients set user_id = {} where id = {own}", me.person().user_id);
    sqlx::raw_sql(sqlx::AssertSqlSafe(link)).execute(&mut app.owner().await).await.unwrap();
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let treated = app.appointment_create(&admin, colleague, own, in_days(2, 9)).await.id;
    // A patient record counts only for the role patient, and a member has one role.
    for action in ["confirm", "cancel"] {
        refused(act(&me, action, treated).await, 404, "appointment_not_found");
    }
    let signed_in = granted(me.me_get().send().await, 200);
    assert_eq!((signed_in.specialist_id, signed_in.patient_id), (Some(app.home().specialist_id), None));
    granted(act(&admin, "cancel", treated).await, 200);
}

#[tokio::test]
async fn a_patient_cancels_up_to_the_cut_off() {
    let app = CoreApp::start().await;
    let (admin, me, specialist) = (app.admin(), app.patient(), app.home().specialist_id);
    let own = app.patient_record().await.id;
    let at = chrono::Utc::now() + chrono::TimeDelta::hours(30);
    let booked = app.appointment_create(&admin, specialist, own, at).await.id;
    // The cut-off for cancelling differs from the one for moving.
    app.appointment_set(booked, "cancellation_cutoff_minutes = 31 * 60, reschedule_cutoff_minutes = 0").await;
    refused(act(&me, "cancel", booked).await, 409, "cancellation_too_late");
    app.appointment_set(booked, "cancellation_cutoff_minutes = 29 * 60, reschedule_cutoff_minutes = 31 * 60").await;
    assert_eq!(granted(act(&me, "cancel", booked).await, 200).status, AppointmentStatus::Cancelled);
    let booked = app.appointment_create(&admin, specialist, own, at).await.id;
    app.appointment_set(booked, "cancellation_cutoff_minutes = 31 * 60").await;
    granted(act(&app.specialist(), "cancel", booked).await, 200);
}
