//! `/v1/appointments/book`: booking of open slots.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::core::types::{AppointmentStatus, BookAppointment, Modality};
use test_support::{CoreApp, Template, granted, in_days, refused};

fn slot(specialist: i64, patient: Option<i64>, started_at: DateTime<Utc>) -> BookAppointment {
    BookAppointment {
        hold_id: None,
        patient_id: patient,
        specialist_id: Some(specialist),
        started_at: Some(started_at),
        template_id: None,
        title: None,
    }
}

#[tokio::test]
async fn a_booking_takes_over_what_the_template_says_and_keeps_it() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let (patient, next) = (app.patient_record().await.id, app.patient_create(&staff, "Ann", "Lee").await.id);
    let template = Template { buffers: Some((15, 30)), modality: "video", ..Template::of_minutes(45) };
    let template_id = app.template_add(template).await;
    let at = in_days(2, 9);
    let body = BookAppointment {
        template_id: Some(template_id),
        title: Some("Knee".to_owned()),
        ..slot(specialist, None, at)
    };
    let booked = granted(app.patient().appointment_book().body(body).send().await, 201);
    assert_eq!((booked.status, booked.patient_id), (AppointmentStatus::Scheduled, patient));
    assert_eq!((booked.started_at, booked.ended_at), (at, at + TimeDelta::minutes(45)));
    assert_eq!((booked.appointment_template_id, booked.modality), (Some(template_id), Modality::Video));
    assert_eq!((booked.title.as_str(), booked.hold_expires_at, booked.sequence), ("Knee", None, 0));
    assert_eq!(granted(staff.appointment_get().appointment_id(booked.id).send().await, 200), booked);
    assert_eq!(granted(staff.appointment_find().uid(booked.uid).send().await, 200), booked);

    // The buffers block time to the minute. Later changes of the template do not affect the booking.
    let edit = "update appointment_templates set buffer_before_minutes = 0, buffer_after_minutes = 0";
    sqlx::query(edit).execute(&mut app.owner().await).await.unwrap();
    for (from, to) in [(-30, -14), (74, 90)] {
        let mut body = CoreApp::new_appointment(specialist, next, at + TimeDelta::minutes(from));
        body.ended_at = at + TimeDelta::minutes(to);
        refused(staff.appointment_create().body(body).send().await, 409, "slot_taken");
    }
    for (from, to) in [(-30, -15), (75, 90)] {
        let mut body = CoreApp::new_appointment(specialist, next, at + TimeDelta::minutes(from));
        body.ended_at = at + TimeDelta::minutes(to);
        granted(staff.appointment_create().body(body).send().await, 201);
    }
    let list = |id| staff.appointment_list().template_id(id);
    let of_template = granted(list(template_id).send().await, 200);
    assert_eq!((of_template.meta.total, &of_template.data[0]), (1, &booked));
    assert_eq!(granted(list(9999).send().await, 200).meta.total, 0);
}

#[tokio::test]
async fn only_open_slots_can_be_booked() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let at = in_days(2, 9);
    let book = |body: BookAppointment| staff.appointment_book().body(body).send();
    // Off the grid, in the past, beyond the horizon, and with a specialist without working hours.
    for at in [at + TimeDelta::minutes(10), in_days(0, 0) - TimeDelta::days(1), in_days(300, 9)] {
        refused(book(slot(specialist, Some(ann), at)).await, 409, "slot_not_offered");
    }
    refused(book(slot(colleague, Some(ann), at)).await, 409, "slot_not_offered");
    app.works_always(colleague).await;

    granted(book(slot(specialist, Some(ann), at)).await, 201);
    refused(book(slot(specialist, Some(tom), at)).await, 409, "slot_taken");
    // The slot is open, but the patient has another appointment.
    refused(book(slot(colleague, Some(ann), at)).await, 409, "slot_taken");
    granted(book(slot(colleague, Some(tom), at)).await, 201);
    granted(book(slot(specialist, Some(tom), at + TimeDelta::minutes(30))).await, 201);
}

#[tokio::test]
async fn a_booking_names_a_slot_or_a_hold() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let full = slot(1, Some(1), in_days(2, 9));
    let both = BookAppointment { hold_id: Some(1), template_id: Some(1), ..full.clone() };
    let refusal = refused(staff.appointment_book().body(both).send().await, 422, "validation_failed");
    let excluded =
        ["/patient_id", "/specialist_id", "/started_at", "/template_id"].map(|pointer| (pointer, "excluded"));
    assert_eq!(refusal.fields(), excluded);
    let neither = BookAppointment { patient_id: None, specialist_id: None, started_at: None, ..full.clone() };
    let refusal = refused(staff.appointment_book().body(neither).send().await, 422, "validation_failed");
    let required = ["/patient_id", "/specialist_id", "/started_at"].map(|pointer| (pointer, "required"));
    assert_eq!(refusal.fields(), required);
    let nobody = BookAppointment { patient_id: None, specialist_id: Some(app.home().specialist_id), ..full.clone() };
    let refusal = refused(staff.appointment_book().body(nobody).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "required")]);
    let template = BookAppointment {
        specialist_id: Some(app.home().specialist_id),
        patient_id: Some(app.patient_record().await.id),
        template_id: Some(9999),
        ..full
    };
    let refusal = refused(staff.appointment_book().body(template).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/template_id", "unknown_reference")]);
}
