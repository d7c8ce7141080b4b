//! `/v1/appointments`: appointments from creation to cancellation.

use chrono::TimeDelta;
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, CancelAppointment, CancellationReason, PageAppointment, UpdateAppointment,
};
use test_support::{CoreApp, granted, in_days, refused};
use uuid::Uuid;

/// Returns a change of an appointment that leaves it as it is.
pub(crate) fn unchanged(appointment: &Appointment) -> UpdateAppointment {
    UpdateAppointment {
        ended_at: appointment.ended_at,
        patient_id: appointment.patient_id,
        specialist_id: appointment.specialist_id,
        specialty_id: appointment.specialty_id,
        started_at: appointment.started_at,
        title: Some(appointment.title.clone()),
        version: appointment.version,
    }
}

/// Returns the change that moves an appointment.
pub(crate) fn moved(appointment: &Appointment, by: TimeDelta) -> UpdateAppointment {
    UpdateAppointment {
        started_at: appointment.started_at + by,
        ended_at: appointment.ended_at + by,
        ..unchanged(appointment)
    }
}

fn ids(page: &PageAppointment) -> Vec<i64> {
    page.data.iter().map(|appointment| appointment.id).collect()
}

const REASON: CancelAppointment = CancelAppointment { reason: CancellationReason::PatientRequest };

#[tokio::test]
async fn the_front_desk_books_finds_moves_and_cancels() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut body = CoreApp::new_appointment(specialist, patient, in_days(2, 9));
    body.title = Some("First examination".to_owned());
    let booked = granted(staff.appointment_create().body(body).send().await, 201);
    assert_eq!((booked.status, booked.version), (AppointmentStatus::Scheduled, 1));
    assert_eq!((booked.organization_id, booked.specialist_id, booked.patient_id), (app.home().id, specialist, patient));
    assert_eq!((booked.started_at, booked.ended_at), (in_days(2, 9), in_days(2, 10)));
    assert_eq!((booked.user_id, booked.title.as_str()), (Some(staff.person().user_id), "First examination"));

    let read = granted(staff.appointment_get().appointment_id(booked.id).send().await, 200);
    assert_eq!(read, booked);
    assert_eq!(granted(staff.appointment_find().uid(booked.uid).send().await, 200), booked);
    refused(staff.appointment_find().uid(Uuid::new_v4()).send().await, 404, "appointment_not_found");

    // Moved by half an hour, it overlaps only its own earlier time.
    let change = moved(&booked, TimeDelta::minutes(30));
    let update = staff.appointment_update().appointment_id(booked.id).body(change.clone());
    let changed = granted(update.send().await, 200);
    assert_eq!((changed.version, changed.started_at), (2, change.started_at));
    let update = staff.appointment_update().appointment_id(booked.id).body(change);
    let refusal = refused(update.send().await, 409, "stale_version");
    assert_eq!(refusal.details["version"], 2);

    let cancelled = granted(staff.appointment_cancel().appointment_id(booked.id).body(REASON).send().await, 200);
    assert_eq!((cancelled.status, cancelled.version), (AppointmentStatus::Cancelled, 3));
    assert_eq!(cancelled.cancellation_reason, Some(CancellationReason::PatientRequest));
    assert!(cancelled.cancelled_at.is_some());
    let again = staff.appointment_cancel().appointment_id(booked.id).body(REASON);
    refused(again.send().await, 409, "already_cancelled");
    let update = staff.appointment_update().appointment_id(booked.id).body(unchanged(&cancelled));
    let refusal = refused(update.send().await, 409, "invalid_transition");
    assert_eq!(refusal.details["from"], "cancelled");
    // The time is free at once.
    app.appointment_create(&staff, specialist, patient, changed.started_at).await;
}

#[tokio::test]
async fn a_time_finer_than_a_microsecond_is_answered_as_it_is_stored() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let at = in_days(2, 9);
    let finer = CoreApp::new_appointment(app.home().specialist_id, patient, at + TimeDelta::nanoseconds(1_999));
    let booked = granted(staff.appointment_create().body(finer).send().await, 201);
    assert_eq!(booked.started_at, at + TimeDelta::microseconds(1));
    assert_eq!(granted(staff.appointment_get().appointment_id(booked.id).send().await, 200), booked);
}

#[tokio::test]
async fn neither_specialist_nor_patient_is_booked_twice() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let at = in_days(2, 9);
    app.appointment_create(&staff, specialist, ann, at).await;
    for (minutes, specialist, patient) in
        [(0, specialist, tom), (59, specialist, tom), (-59, specialist, tom), (30, colleague, ann)]
    {
        let body = CoreApp::new_appointment(specialist, patient, at + TimeDelta::minutes(minutes));
        refused(staff.appointment_create().body(body).send().await, 409, "slot_taken");
    }
    // Periods are half-open: one appointment may begin when another ends. Other specialists are free at the same time.
    let next = app.appointment_create(&staff, specialist, tom, at + TimeDelta::hours(1)).await;
    app.appointment_create(&staff, colleague, tom, at).await;
    let into = staff.appointment_update().appointment_id(next.id).body(moved(&next, TimeDelta::minutes(-30)));
    refused(into.send().await, 409, "slot_taken");
    let still = granted(staff.appointment_get().appointment_id(next.id).send().await, 200);
    assert_eq!(still, next, "a refused change changes nothing");
}

#[tokio::test]
async fn deleting_is_an_admins_and_frees_the_time() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&admin, specialist, patient, in_days(2, 9)).await;
    for actor in [app.staff(), app.specialist(), app.patient()] {
        refused(actor.appointment_delete().appointment_id(booked.id).send().await, 403, "permission_denied");
    }
    granted(admin.appointment_delete().appointment_id(booked.id).send().await, 204);
    refused(admin.appointment_get().appointment_id(booked.id).send().await, 404, "appointment_not_found");
    refused(admin.appointment_find().uid(booked.uid).send().await, 404, "appointment_not_found");
    refused(admin.appointment_delete().appointment_id(booked.id).send().await, 404, "appointment_not_found");
    let cancel = admin.appointment_cancel().appointment_id(booked.id).body(REASON);
    refused(cancel.send().await, 404, "appointment_not_found");
    assert_eq!(granted(admin.appointment_list().send().await, 200).data, []);
    app.appointment_create(&admin, specialist, patient, in_days(2, 9)).await;
    assert_eq!(app.count("select count(*) from appointments").await, 2, "the deleted one is kept");
}

#[tokio::test]
async fn another_clinics_are_not_there() {
    let app = CoreApp::start().await;
    let (other, admin) = (app.other_admin(), app.admin());
    let patient = app.patient_create(&other, "Tom", "Away").await.id;
    let theirs = app.appointment_create(&other, app.away().specialist_id, patient, in_days(2, 9)).await;
    refused(admin.appointment_get().appointment_id(theirs.id).send().await, 404, "appointment_not_found");
    refused(admin.appointment_find().uid(theirs.uid).send().await, 404, "appointment_not_found");
    refused(admin.appointment_delete().appointment_id(theirs.id).send().await, 404, "appointment_not_found");
    let cancel = admin.appointment_cancel().appointment_id(theirs.id).body(REASON);
    refused(cancel.send().await, 404, "appointment_not_found");
    let update = admin.appointment_update().appointment_id(theirs.id).body(unchanged(&theirs));
    refused(update.send().await, 404, "appointment_not_found");
    assert_eq!(granted(admin.appointment_list().send().await, 200).data, []);
    assert_eq!(granted(other.appointment_get().appointment_id(theirs.id).send().await, 200), theirs);

    // People of another organization cannot be booked.
    let own = app.patient_create(&admin, "Ann", "Here").await.id;
    for (specialist, patient, pointer) in [
        (app.away().specialist_id, own, "/specialist_id"),
        (app.home().specialist_id, theirs.patient_id, "/patient_id"),
    ] {
        let body = CoreApp::new_appointment(specialist, patient, in_days(3, 9));
        let refusal = refused(admin.appointment_create().body(body).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [(pointer, "unknown_reference")]);
    }
}

#[tokio::test]
async fn a_specialist_keeps_to_its_own_schedule() {
    let app = CoreApp::start().await;
    let (admin, me, own) = (app.admin(), app.specialist(), app.home().specialist_id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let mine = app.appointment_create(&admin, own, patient, in_days(2, 9)).await;
    let theirs = app.appointment_create(&admin, colleague, patient, in_days(2, 11)).await;
    assert_eq!(ids(&granted(me.appointment_list().send().await, 200)), [mine.id]);
    refused(me.appointment_get().appointment_id(theirs.id).send().await, 404, "appointment_not_found");
    let cancel = me.appointment_cancel().appointment_id(theirs.id).body(REASON);
    refused(cancel.send().await, 404, "appointment_not_found");

    app.appointment_create(&me, own, patient, in_days(2, 13)).await;
    let body = CoreApp::new_appointment(colleague, patient, in_days(2, 15));
    let refusal = refused(me.appointment_create().body(body).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "not_own")]);
    let hand_over = UpdateAppointment { specialist_id: colleague, ..unchanged(&mine) };
    let update = me.appointment_update().appointment_id(mine.id).body(hand_over);
    let refusal = refused(update.send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "not_own")]);
    let cancelled = granted(me.appointment_cancel().appointment_id(mine.id).body(REASON).send().await, 200);
    assert_eq!(cancelled.status, AppointmentStatus::Cancelled);
}

#[tokio::test]
async fn a_patient_sees_and_cancels_its_own_and_books_none() {
    let app = CoreApp::start().await;
    let (admin, me, specialist) = (app.admin(), app.patient(), app.home().specialist_id);
    let own = app.patient_record().await.id;
    let other = app.patient_create(&admin, "Ann", "Lee").await.id;
    let mine = app.appointment_create(&admin, specialist, own, in_days(2, 9)).await;
    let theirs = app.appointment_create(&admin, specialist, other, in_days(2, 11)).await;
    assert_eq!(ids(&granted(me.appointment_list().send().await, 200)), [mine.id]);
    assert_eq!(granted(me.appointment_get().appointment_id(mine.id).send().await, 200), mine);
    refused(me.appointment_get().appointment_id(theirs.id).send().await, 404, "appointment_not_found");
    refused(me.appointment_find().uid(theirs.uid).send().await, 404, "appointment_not_found");
    let cancel = me.appointment_cancel().appointment_id(theirs.id).body(REASON);
    refused(cancel.send().await, 404, "appointment_not_found");
    let body = CoreApp::new_appointment(specialist, own, in_days(3, 9));
    refused(me.appointment_create().body(body).send().await, 403, "permission_denied");
    let update = me.appointment_update().appointment_id(mine.id).body(unchanged(&mine));
    refused(update.send().await, 403, "permission_denied");
    granted(me.appointment_cancel().appointment_id(mine.id).body(REASON).send().await, 200);

    // A patient cannot cancel an appointment that has begun; the clinic can.
    let begun = chrono::Utc::now() - TimeDelta::minutes(5);
    let begun = app.appointment_create(&admin, specialist, own, begun).await;
    let cancel = me.appointment_cancel().appointment_id(begun.id).body(REASON);
    refused(cancel.send().await, 409, "cancellation_too_late");
    granted(admin.appointment_cancel().appointment_id(begun.id).body(REASON).send().await, 200);
}

#[tokio::test]
async fn lists_are_filtered_by_time_people_and_state() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    let first = app.appointment_create(&staff, specialist, ann, in_days(2, 9)).await.id;
    let second = app.appointment_create(&staff, specialist, tom, in_days(3, 9)).await.id;
    let third = app.appointment_create(&staff, colleague, ann, in_days(4, 9)).await.id;
    granted(staff.appointment_cancel().appointment_id(third).body(REASON).send().await, 200);
    let list = || staff.appointment_list();
    assert_eq!(ids(&granted(list().send().await, 200)), [first, second, third]);
    assert_eq!(ids(&granted(list().sort("-started_at").send().await, 200)), [third, second, first]);
    assert_eq!(ids(&granted(list().specialist_id(specialist).send().await, 200)), [first, second]);
    assert_eq!(ids(&granted(list().patient_id(ann).send().await, 200)), [first, third]);
    assert_eq!(ids(&granted(list().status("cancelled").send().await, 200)), [third]);
    // A range selects appointments that overlap it: the first one ends half an hour after the range begins.
    let from = in_days(2, 9) + TimeDelta::minutes(30);
    assert_eq!(ids(&granted(list().from(from).to(in_days(4, 9)).send().await, 200)), [first, second]);
    assert_eq!(ids(&granted(list().from(in_days(2, 10)).send().await, 200)), [second, third]);
    let reversed = list().from(in_days(4, 9)).to(in_days(4, 8)).send().await;
    assert_eq!(refused(reversed, 400, "invalid_range").fields(), [("from", "range")]);
    let page = granted(list().patient_id(ann).page_size(1).page(2).send().await, 200);
    assert_eq!((ids(&page), page.meta.total, page.meta.total_pages), (vec![third], 2, 2));
    let page = granted(list().page_size(2).send().await, 200);
    assert_eq!((page.data.len(), page.meta.total, page.meta.total_pages), (2, 3, 2));
    // A page beyond the last one has the total; without matches it is 0.
    let page = granted(list().page_size(2).page(9).send().await, 200);
    assert_eq!((page.data.len(), page.meta.total, page.meta.total_pages), (0, 3, 2));
    let page = granted(list().status("no_show").send().await, 200);
    assert_eq!((page.data.len(), page.meta.total, page.meta.total_pages), (0, 0, 0));
}

#[tokio::test]
async fn a_superadmin_counts_the_organization_it_works_in() {
    let app = CoreApp::start().await;
    let other = app.other_admin();
    let foreign = app.patient_create(&other, "Tom", "Moe").await.id;
    app.appointment_create(&other, app.away().specialist_id, foreign, in_days(2, 9)).await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await.id;
    // The policies let a superadmin see every organization.
    let page = granted(app.superadmin().in_organization(app.home().id).appointment_list().send().await, 200);
    assert_eq!((ids(&page), page.meta.total), (vec![booked], 1));
}

#[tokio::test]
async fn the_booked_time_makes_sense() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let at = in_days(2, 9);
    for (start, end, expected) in [
        (at, at, [("/ended_at", "order")]),
        (at, at - TimeDelta::hours(1), [("/ended_at", "order")]),
        (at, at + TimeDelta::hours(25), [("/ended_at", "range")]),
        (in_days(4000, 9), in_days(4000, 10), [("/started_at", "range")]),
    ] {
        let mut body = CoreApp::new_appointment(specialist, patient, start);
        body.ended_at = end;
        let refusal = refused(staff.appointment_create().body(body).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields(), expected);
    }
}
