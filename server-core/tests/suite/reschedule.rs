//! `/v1/appointments/{id}/reschedule`: moves of appointments.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, BookAppointment, CancelAppointment, CancellationReason, RescheduleAppointment,
    UpdateAppointment,
};
use test_support::{CoreApp, Template, granted, in_days, refused};

fn to(started_at: DateTime<Utc>) -> RescheduleAppointment {
    RescheduleAppointment { specialist_id: None, started_at, version: None }
}

/// Returns the buffers of the appointment in minutes, before and after its time.
async fn buffers(app: &CoreApp, id: i64) -> (i64, i64) {
    sqlx::query_as(
        "select (extract(epoch from started_at - lower(block)) / 60)::bigint,
                (extract(epoch from upper(block) - ended_at) / 60)::bigint from appointments where id = $1",
    )
    .bind(id)
    .fetch_one(&mut app.owner().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_appointment_moves_and_keeps_its_id_its_length_and_its_past() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    app.patient_record().await;
    let template = app.template_add(Template { buffers: Some((15, 30)), ..Template::of_minutes(45) }).await;
    let body = BookAppointment {
        hold_id: None,
        patient_id: None,
        specialist_id: Some(specialist),
        started_at: Some(in_days(2, 9)),
        template_id: Some(template),
        title: None,
    };
    let booked = granted(app.patient().appointment_book().body(body).send().await, 201);

    // An appointment does not block itself. The clinic may choose any time, whatever the specialist's hours.
    let body = RescheduleAppointment { version: Some(booked.version), ..to(booked.started_at + TimeDelta::minutes(7)) };
    let shifted =
        granted(staff.appointment_reschedule().appointment_id(booked.id).body(body.clone()).send().await, 200);
    assert_eq!((shifted.id, shifted.uid, shifted.status), (booked.id, booked.uid, AppointmentStatus::Scheduled));
    assert_eq!((shifted.version, shifted.sequence), (2, 1));
    assert_eq!((shifted.started_at, shifted.ended_at - shifted.started_at), (body.started_at, TimeDelta::minutes(45)));
    assert_eq!(buffers(&app, booked.id).await, (15, 30));
    let stale = staff.appointment_reschedule().appointment_id(booked.id).body(body).send().await;
    assert_eq!(refused(stale, 409, "stale_version").details["version"], 2);

    let body = RescheduleAppointment { specialist_id: Some(colleague), ..to(in_days(3, 12)) };
    let moved = granted(staff.appointment_reschedule().appointment_id(booked.id).body(body).send().await, 200);
    assert_eq!((moved.specialist_id, moved.sequence), (colleague, 2));
    assert_eq!(buffers(&app, booked.id).await, (15, 30));
    assert_eq!(granted(staff.appointment_get().appointment_id(booked.id).send().await, 200), moved);
    // The time before the move is free.
    app.appointment_create(&staff, specialist, app.patient_create(&staff, "Ann", "Lee").await.id, booked.started_at)
        .await;

    // A replacement of the appointment is a move if the time differs.
    let change = UpdateAppointment {
        ended_at: moved.ended_at,
        patient_id: moved.patient_id,
        specialist_id: colleague,
        specialty_id: None,
        started_at: moved.started_at,
        title: Some("Knee".to_owned()),
        version: moved.version,
    };
    let update = |body: UpdateAppointment| staff.appointment_update().appointment_id(booked.id).body(body).send();
    let named = granted(update(change.clone()).await, 200);
    assert_eq!((named.title.as_str(), named.sequence, named.version), ("Knee", 2, 4));
    let later = TimeDelta::hours(1);
    let change = UpdateAppointment {
        started_at: change.started_at + later,
        ended_at: change.ended_at + later,
        version: named.version,
        ..change
    };
    let replaced = granted(update(change).await, 200);
    assert_eq!(replaced.sequence, 3);
    assert_eq!(buffers(&app, booked.id).await, (15, 30));

    let me = app.patient();
    let list = || me.appointment_reschedule_list().appointment_id(booked.id);
    let history = granted(list().send().await, 200);
    let times: Vec<_> = history.data.iter().map(|entry| (entry.from_started_at, entry.to_started_at)).collect();
    let expected = [&booked, &shifted, &moved].map(|a: &Appointment| a.started_at);
    assert_eq!(
        times,
        [(expected[0], expected[1]), (expected[1], expected[2]), (expected[2], replaced.started_at)],
        "the first move first"
    );
    let second = &history.data[1];
    assert_eq!((second.from_specialist_id, second.to_specialist_id), (specialist, colleague));
    assert_eq!((second.from_ended_at, second.to_ended_at), (shifted.ended_at, moved.ended_at));
    assert_eq!(second.user_id, Some(staff.person().user_id));
    let page = granted(list().page_size(2).page(2).send().await, 200);
    assert_eq!((page.data.as_slice(), page.meta.total), (&history.data[2..], 3));
    // Callers who may not see the appointment may not see its moves.
    for stranger in [app.specialist(), app.other_admin()] {
        let list = stranger.appointment_reschedule_list().appointment_id(booked.id);
        refused(list.send().await, 404, "appointment_not_found");
    }
}

#[tokio::test]
async fn a_time_that_is_taken_leaves_all_as_it_was() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let first = app.appointment_create(&staff, specialist, ann, in_days(2, 9)).await;
    let second = app.appointment_create(&staff, specialist, tom, in_days(2, 11)).await;
    let elsewhere = app.appointment_create(&staff, colleague, ann, in_days(2, 14)).await;
    let reschedule = |id, body| staff.appointment_reschedule().appointment_id(id).body(body).send();
    // To the time of another appointment of the specialist, and of one of the patient.
    refused(reschedule(first.id, to(second.started_at)).await, 409, "slot_taken");
    refused(reschedule(second.id, to(first.started_at)).await, 409, "slot_taken");
    refused(reschedule(first.id, to(elsewhere.started_at)).await, 409, "slot_taken");
    let unknown = RescheduleAppointment { specialist_id: Some(9999), ..to(in_days(4, 9)) };
    let refusal = refused(reschedule(first.id, unknown).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "unknown_reference")]);
    let refusal = refused(reschedule(first.id, to(in_days(4000, 9))).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/started_at", "range")]);
    for was in [&first, &second, &elsewhere] {
        assert_eq!(&granted(staff.appointment_get().appointment_id(was.id).send().await, 200), was);
    }
    assert_eq!(app.count("select count(*) from appointment_reschedules").await, 0);
}

#[tokio::test]
async fn only_what_is_booked_and_has_not_begun_moves() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut day = 2;
    for (status, moves) in [
        ("status = 'scheduled'", true),
        ("status = 'confirmed'", true),
        ("status = 'in_progress'", false),
        ("status = 'completed'", false),
        ("status = 'cancelled'", false),
        ("status = 'no_show'", false),
        ("status = 'expired'", false),
    ] {
        day += 2;
        let booked = app.appointment_create(&staff, specialist, patient, in_days(day, 9)).await.id;
        app.appointment_set(booked, status).await;
        let before = granted(staff.appointment_get().appointment_id(booked).send().await, 200);
        let moved = staff.appointment_reschedule().appointment_id(booked).body(to(in_days(day + 1, 9))).send().await;
        if moves {
            assert_eq!(granted(moved, 200).status, before.status);
        } else {
            assert_eq!(refused(moved, 409, "invalid_transition").details["from"], before.status.to_string());
            assert_eq!(granted(staff.appointment_get().appointment_id(booked).send().await, 200), before);
        }
    }
}

#[tokio::test]
async fn a_patient_moves_its_own_to_open_slots_up_to_the_cut_off() {
    let app = CoreApp::start().await;
    let (admin, me, specialist) = (app.admin(), app.patient(), app.home().specialist_id);
    app.works_always(specialist).await;
    let own = app.patient_record().await.id;
    let other = app.patient_create(&admin, "Ann", "Lee").await.id;
    let theirs = app.appointment_create(&admin, specialist, other, in_days(2, 12)).await;
    let body = BookAppointment {
        hold_id: None,
        patient_id: None,
        specialist_id: Some(specialist),
        started_at: Some(in_days(2, 9)),
        template_id: None,
        title: None,
    };
    let booked = granted(me.appointment_book().body(body).send().await, 201);
    let reschedule = |body| me.appointment_reschedule().appointment_id(booked.id).body(body).send();
    refused(reschedule(to(in_days(2, 9) + TimeDelta::minutes(10))).await, 409, "slot_not_offered");
    refused(reschedule(to(theirs.started_at)).await, 409, "slot_taken");
    let not_mine = me.appointment_reschedule().appointment_id(theirs.id).body(to(in_days(3, 9))).send().await;
    refused(not_mine, 404, "appointment_not_found");
    // The next slot touches its own buffers, which do not block it.
    let moved = granted(reschedule(to(in_days(2, 9) + TimeDelta::minutes(30))).await, 200);
    assert_eq!((moved.sequence, moved.patient_id), (1, own));

    app.appointment_set(booked.id, "reschedule_cutoff_minutes = 40000, cancellation_cutoff_minutes = 0").await;
    refused(reschedule(to(in_days(3, 9))).await, 409, "reschedule_too_late");
    let desk = app.staff();
    granted(desk.appointment_reschedule().appointment_id(booked.id).body(to(in_days(3, 9))).send().await, 200);

    // The appointment is longer than the slots, so only the clinic can move it.
    let long = app.appointment_create(&admin, specialist, own, in_days(5, 9)).await.id;
    let moved = me.appointment_reschedule().appointment_id(long).body(to(in_days(6, 9))).send().await;
    refused(moved, 409, "slot_not_offered");
}

#[tokio::test]
async fn a_specialist_moves_its_own_to_itself() {
    let app = CoreApp::start().await;
    let (admin, me, specialist) = (app.admin(), app.specialist(), app.home().specialist_id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let mine = app.appointment_create(&admin, specialist, patient, in_days(2, 9)).await.id;
    let theirs = app.appointment_create(&admin, colleague, patient, in_days(2, 11)).await.id;
    let reschedule = |id, body| me.appointment_reschedule().appointment_id(id).body(body).send();
    granted(reschedule(mine, to(in_days(2, 8))).await, 200);
    let hand_over = RescheduleAppointment { specialist_id: Some(colleague), ..to(in_days(3, 9)) };
    let refusal = refused(reschedule(mine, hand_over).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "not_own")]);
    refused(reschedule(theirs, to(in_days(3, 9))).await, 404, "appointment_not_found");
}

#[tokio::test]
async fn a_patient_does_not_escape_a_cut_off_by_moving_first() {
    let app = CoreApp::start().await;
    let (admin, staff, me, specialist) = (app.admin(), app.staff(), app.patient(), app.home().specialist_id);
    app.works_always(specialist).await;
    let own = app.patient_record().await.id;
    let booked = app.appointment_create(&admin, specialist, own, in_days(2, 9)).await;
    // An hour would be too long for the slots that there are.
    app.appointment_set(booked.id, "ended_at = started_at + interval '30 minutes'").await;
    let reschedule = |body| me.appointment_reschedule().appointment_id(booked.id).body(body).send();
    let cancel = || {
        let body = CancelAppointment { reason: CancellationReason::PatientRequest };
        me.appointment_cancel().appointment_id(booked.id).body(body).send()
    };
    granted(reschedule(to(in_days(20, 9))).await, 200);
    // Sixty hours before the first beginning are over, sixty before the present one far away.
    let cutoffs = "cancellation_cutoff_minutes = 60 * 60, reschedule_cutoff_minutes = 60 * 60";
    app.appointment_set(booked.id, cutoffs).await;
    refused(cancel().await, 409, "cancellation_too_late");
    refused(reschedule(to(in_days(21, 9))).await, 409, "reschedule_too_late");
    // Without a cut-off there is none to escape.
    app.appointment_set(booked.id, "reschedule_cutoff_minutes = 0").await;
    granted(reschedule(to(in_days(22, 9))).await, 200);
    refused(cancel().await, 409, "cancellation_too_late");
    // A move to the same time is none, to another specialist neither; a move by the clinic sets the deadline anew.
    granted(staff.appointment_reschedule().appointment_id(booked.id).body(to(in_days(22, 9))).send().await, 200);
    refused(cancel().await, 409, "cancellation_too_late");
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let hand_over = RescheduleAppointment { specialist_id: Some(colleague), ..to(in_days(22, 9)) };
    granted(staff.appointment_reschedule().appointment_id(booked.id).body(hand_over).send().await, 200);
    refused(cancel().await, 409, "cancellation_too_late");
    granted(staff.appointment_reschedule().appointment_id(booked.id).body(to(in_days(23, 9))).send().await, 200);
    assert_eq!(granted(cancel().await, 200).status, AppointmentStatus::Cancelled);
}
