//! Entries of `/v1/waitlist`: validation, acceptance of offers, and their end.

use chrono::TimeDelta;
use restartix_sdk::core::types::{AppointmentStatus, BookAppointment, CreateWaitlistEntry, WaitlistStatus};
use test_support::{Actor, CoreApp, Template, granted, in_days, refused};

use crate::waitlist::{LAPSE, cancel, entry, now, offer, settled, start, two_wait, wait, wish};

#[tokio::test]
async fn nobody_waits_for_everything() {
    let (app, specialist) = start().await;
    let own = app.patient_record().await.id;
    for place in 0..10 {
        let template_id = Some(app.template_add(Template::of_minutes(30)).await);
        let wish = CreateWaitlistEntry { template_id, ..wish(specialist, None, in_days(2, 9), in_days(2, 17)) };
        wait(&app.patient(), wish.clone()).await;
        if place == 9 {
            refused(app.patient().waitlist_entry_create().body(wish).send().await, 409, "already_waiting");
        }
    }
    let wish = |patient| wish(specialist, patient, in_days(2, 9), in_days(2, 17));
    let one_more =
        |actor: Actor, patient| async move { actor.waitlist_entry_create().body(wish(patient)).send().await };
    refused(one_more(app.patient(), None).await, 409, "waitlist_full");
    refused(one_more(app.staff(), Some(own)).await, 409, "waitlist_full");
    let first = granted(app.patient().waitlist_entry_list().send().await, 200).data[0].id;
    granted(app.patient().waitlist_entry_delete().waitlist_entry_id(first).send().await, 204);
    granted(one_more(app.patient(), None).await, 201);
}

#[tokio::test]
async fn who_is_away_by_now_keeps_no_offer() {
    let (app, specialist) = start().await;
    let own = app.patient_record().await.id;
    let entry_ = wait(&app.patient(), wish(specialist, Some(own), in_days(2, 9), in_days(2, 10))).await;
    let offered = offer(&app, entry_.id).await;
    let ill = "insert into specialist_exceptions (organization_id, specialist_id, kind, starts_at, ends_at)
               select organization_id, id, 'unavailable', ($2 at time zone timezone) + interval '10 minutes',
                      ($2 at time zone timezone) + interval '1 day' from specialists where id = $1";
    let mut owner = app.owner().await;
    sqlx::query(ill).bind(specialist).bind(offered.started_at).execute(&mut owner).await.unwrap();
    let me = app.patient();
    let accept = || me.waitlist_entry_accept().waitlist_entry_id(entry_.id).send();
    refused(accept().await, 409, "offer_expired");
    let after = entry(&app, entry_.id).await;
    assert_eq!((after.status, after.offer), (WaitlistStatus::Waiting, None));
    let staff = app.staff();
    let gone = staff.appointment_get().appointment_id(offered.appointment_id).send().await;
    refused(gone, 404, "appointment_not_found");
    // A withdrawn offer does not count as one that the patient let lapse, however often it happens.
    let others =
        "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                                            waitlist_entry_id, deleted_at)
                  select organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                         waitlist_entry_id, deleted_at from appointments, generate_series(1, 3) where id = $1";
    sqlx::query(others).bind(offered.appointment_id).execute(&mut owner).await.unwrap();
    assert_eq!(entry(&app, entry_.id).await.status, WaitlistStatus::Waiting);
}

#[tokio::test]
async fn an_offer_opens_no_record() {
    let (app, specialist) = start().await;
    let patient = app.patient_create(&app.staff(), "Ann", "Lee").await.id;
    let entry = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 10))).await;
    let offered = offer(&app, entry.id).await;
    let see = || async { app.specialist().patient_get().patient_id(patient).send().await };
    refused(see().await, 404, "patient_not_found");
    assert_eq!(granted(app.specialist().patient_list().send().await, 200).data, []);
    app.appointment_set(offered.appointment_id, "status = 'expired', holder = null").await;
    refused(see().await, 404, "patient_not_found");
    // With the booking the specialist may see the patient.
    app.appointment_create(&app.staff(), specialist, patient, in_days(3, 9)).await;
    assert_eq!(granted(see().await, 200).id, patient);
}

#[tokio::test]
async fn an_offer_is_accepted_by_its_patient_once() {
    let (app, specialist) = start().await;
    let (staff, me) = (app.staff(), app.patient());
    let own = app.patient_record().await.id;
    let [(other, _)] = app.patients_add(1).await.try_into().unwrap();
    let other = app.actor(&other);
    let template_id = Some(app.template_add(Template { modality: "video", ..Template::of_minutes(30) }).await);
    let wish = CreateWaitlistEntry { template_id, ..wish(specialist, None, in_days(2, 9), in_days(2, 10)) };
    let mine = wait(&me, wish).await;
    let offered = offer(&app, mine.id).await;

    // Nobody else can book the offer, and accepting it names the offer that was shown.
    let of_hold = BookAppointment {
        hold_id: Some(offered.appointment_id),
        patient_id: None,
        specialist_id: None,
        started_at: None,
        template_id: None,
        title: None,
    };
    for actor in [&staff, &me, &app.admin()] {
        refused(actor.appointment_book().body(of_hold.clone()).send().await, 403, "hold_not_own");
        let release = actor.appointment_hold_delete().appointment_id(offered.appointment_id).send().await;
        refused(release, 403, "hold_not_own");
    }
    let accept = async |actor: &Actor| actor.waitlist_entry_accept().waitlist_entry_id(mine.id).send().await;
    refused(accept(&other).await, 404, "waitlist_entry_not_found");
    refused(other.waitlist_entry_delete().waitlist_entry_id(mine.id).send().await, 404, "waitlist_entry_not_found");
    assert_eq!(granted(other.waitlist_entry_list().send().await, 200).meta.total, 0);
    refused(accept(&app.specialist()).await, 403, "permission_denied");
    let another = me.waitlist_entry_accept().waitlist_entry_id(mine.id).appointment_id(offered.appointment_id + 1);
    refused(another.send().await, 409, "offer_expired");
    assert_eq!(granted(me.waitlist_entry_list().send().await, 200).data, [entry(&app, mine.id).await]);

    let meant = me.waitlist_entry_accept().waitlist_entry_id(mine.id).appointment_id(offered.appointment_id);
    let booked = granted(meant.send().await, 200);
    assert_eq!(
        (booked.id, booked.status, booked.patient_id),
        (offered.appointment_id, AppointmentStatus::Scheduled, own)
    );
    assert_eq!((booked.started_at, booked.ended_at), (offered.started_at, offered.ended_at));
    assert_eq!((booked.user_id, booked.hold_expires_at), (Some(me.person().user_id), None));
    assert_eq!(granted(me.appointment_get().appointment_id(booked.id).send().await, 200), booked);
    let now = entry(&app, mine.id).await;
    assert_eq!((now.status, now.appointment_id, now.offer), (WaitlistStatus::Booked, Some(booked.id), None));
    refused(accept(&me).await, 409, "already_booked");
    let rooms = "select count(*) from jobs where kind = 'video_room_follow'";
    assert_eq!(app.count(rooms).await, 1, "the appointment by video has its room made");
    let trail = "select count(*) from audit_log where operation_id = 'waitlist_entry_accept' and outcome = 'succeeded'
                 and (action, entity_type) in (('booked', 'appointment'), ('accepted', 'waitlist_entry'))";
    assert_eq!(app.count(trail).await, 2);
    assert_eq!(app.count("select count(*) from appointments where holder is not null").await, 0);

    // Deleting the entry leaves the appointment; the patient can wait for the same again.
    granted(me.waitlist_entry_delete().waitlist_entry_id(mine.id).send().await, 204);
    assert_eq!(granted(me.appointment_get().appointment_id(booked.id).send().await, 200), booked);
}

#[tokio::test]
async fn there_is_nothing_to_accept_before_and_after_an_offer() {
    let (app, specialist) = start().await;
    let (booked, [first, _]) = two_wait(&app, specialist).await;
    let staff = app.staff();
    let accept = || staff.waitlist_entry_accept().waitlist_entry_id(first.id).send();
    refused(accept().await, 409, "no_offer");
    cancel(&app, booked.id).await;
    let offered = offer(&app, first.id).await;
    app.appointment_set(offered.appointment_id, LAPSE).await;
    refused(accept().await, 409, "offer_expired");
    now(&app, "holds_expire").await;
    refused(accept().await, 409, "offer_expired");
    refused(staff.waitlist_entry_accept().waitlist_entry_id(9999).send().await, 404, "waitlist_entry_not_found");
    assert_eq!(app.count("select count(*) from appointments where status = 'scheduled'").await, 0);
}

#[tokio::test]
async fn who_leaves_passes_its_offer_on() {
    let (app, specialist) = start().await;
    let (booked, [first, second]) = two_wait(&app, specialist).await;
    cancel(&app, booked.id).await;
    let declined = offer(&app, first.id).await;
    let staff = app.staff();
    granted(staff.waitlist_entry_delete().waitlist_entry_id(first.id).send().await, 204);
    assert_eq!(offer(&app, second.id).await.started_at, declined.started_at);
    let released = granted(staff.appointment_get().appointment_id(declined.appointment_id).send().await, 200);
    assert_eq!(released.status, AppointmentStatus::Expired);
    refused(staff.waitlist_entry_delete().waitlist_entry_id(first.id).send().await, 404, "waitlist_entry_not_found");
    refused(staff.waitlist_entry_accept().waitlist_entry_id(first.id).send().await, 404, "waitlist_entry_not_found");
    let left = granted(staff.waitlist_entry_list().send().await, 200);
    assert_eq!(left.data.iter().map(|entry| entry.id).collect::<Vec<_>>(), [second.id]);
}

#[tokio::test]
async fn a_wish_names_something_and_a_time_to_come() {
    let (app, specialist) = start().await;
    let (staff, me, own) = (app.staff(), app.patient(), app.patient_record().await.id);
    let other = app.patient_create(&staff, "Ann", "Lee").await.id;
    let plain = wish(specialist, Some(own), in_days(2, 9), in_days(2, 10));
    let fields = async |actor: &Actor, body: CreateWaitlistEntry| {
        let refusal = refused(actor.waitlist_entry_create().body(body).send().await, 422, "validation_failed");
        refusal.fields().iter().map(|(pointer, rule)| format!("{pointer} {rule}")).collect::<Vec<_>>()
    };
    let nothing = CreateWaitlistEntry { specialist_id: None, ..plain.clone() };
    assert_eq!(fields(&staff, nothing).await, ["/specialist_id required", "/template_id required"]);
    for (from, to, said) in [
        (in_days(2, 9), in_days(2, 9), "/requested_to order"),
        (in_days(2, 9), in_days(369, 9), "/requested_to range"),
        (in_days(0, 0) - TimeDelta::days(3), in_days(0, 0) - TimeDelta::days(2), "/requested_to range"),
        (in_days(5000, 9), in_days(5001, 9), "/requested_from range"),
    ] {
        let body = CreateWaitlistEntry { requested_from: Some(from), requested_to: Some(to), ..plain.clone() };
        assert_eq!(fields(&staff, body).await, [said], "{from} {to}");
    }
    let archived = app.template_add(Template::of_minutes(30)).await;
    sqlx::query("update appointment_templates set archived_at = now()").execute(&mut app.owner().await).await.unwrap();
    let away = app.away().specialist_id;
    for (body, said) in [
        (CreateWaitlistEntry { patient_id: None, ..plain.clone() }, "/patient_id required"),
        (CreateWaitlistEntry { patient_id: Some(9999), ..plain.clone() }, "/patient_id unknown_reference"),
        (CreateWaitlistEntry { specialist_id: Some(away), ..plain.clone() }, "/specialist_id unknown_reference"),
        (CreateWaitlistEntry { template_id: Some(archived), ..plain.clone() }, "/template_id unknown_reference"),
    ] {
        assert_eq!(fields(&staff, body).await, [said]);
    }
    let of_other = CreateWaitlistEntry { patient_id: Some(other), ..plain.clone() };
    assert_eq!(fields(&me, of_other.clone()).await, ["/patient_id not_own"]);
    let denied = app.specialist().waitlist_entry_create().body(plain.clone()).send().await;
    refused(denied, 403, "permission_denied");

    // The default range is the next 90 days. A patient can wait for the same only once.
    let open = CreateWaitlistEntry { requested_from: None, requested_to: None, ..plain.clone() };
    let entry = wait(&me, CreateWaitlistEntry { patient_id: None, ..open }).await;
    assert_eq!((entry.patient_id, entry.requested_to - entry.requested_from), (own, TimeDelta::days(90)));
    assert!((entry.requested_from - entry.created_at).abs() < TimeDelta::minutes(1));
    refused(staff.waitlist_entry_create().body(plain.clone()).send().await, 409, "already_waiting");
    wait(&staff, of_other).await;
    let template_id = Some(app.template_add(Template::of_minutes(30)).await);
    wait(&staff, CreateWaitlistEntry { template_id, ..plain.clone() }).await;
    wait(&staff, CreateWaitlistEntry { template_id, specialist_id: None, ..plain.clone() }).await;
    sqlx::query(
        "update waitlist_entries set requested_from = now() - interval '2 days', requested_to = now()
                 where id = $1",
    )
    .bind(entry.id)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
    settled(&app).await;
    sqlx::query("update appointments set hold_expires_at = now() where waitlist_entry_id = $1")
        .bind(entry.id)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    assert_eq!(self::entry(&app, entry.id).await.status, WaitlistStatus::Expired);
    wait(&staff, plain).await;

    let list = || staff.waitlist_entry_list();
    assert_eq!(granted(list().send().await, 200).meta.total, 5);
    assert_eq!(granted(list().patient_id(other).send().await, 200).meta.total, 1);
    assert_eq!(granted(list().specialist_id(specialist).send().await, 200).meta.total, 4);
    assert_eq!(granted(list().status(WaitlistStatus::Expired).send().await, 200).data[0].id, entry.id);
    let page = granted(list().page(2).page_size(2).send().await, 200);
    assert_eq!((page.meta.total, page.data.len()), (5, 2));
    let ids: Vec<i64> = granted(list().send().await, 200).data.iter().map(|entry| entry.id).collect();
    assert!(ids.is_sorted(), "who waits longest first: {ids:?}");
}

#[tokio::test]
async fn a_template_that_somebody_waits_for_is_archived() {
    let (app, _) = start().await;
    let (admin, patient) = (app.admin(), app.patient_record().await.id);
    let template = app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await.id;
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let body = CreateWaitlistEntry {
        template_id: Some(template),
        ..wish(colleague, Some(patient), in_days(2, 9), in_days(2, 10))
    };
    let entry = wait(&admin, body).await;
    granted(admin.appointment_template_delete().appointment_template_id(template).send().await, 204);
    let archived = granted(admin.appointment_template_get().appointment_template_id(template).send().await, 200);
    assert!(archived.archived_at.is_some());
    // An archived template is not offered.
    app.works_always(colleague).await;
    now(&app, "waitlist_sweep").await;
    assert_eq!(self::entry(&app, entry.id).await.status, WaitlistStatus::Waiting);
}
