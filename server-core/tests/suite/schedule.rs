//! `/v1/specialists/{specialist_id}/schedule`: working hours and booking rules.

use restartix_sdk::core::types::{
    ScheduleException, ScheduleExceptionKind, SpecialistSchedule, UpdateSpecialistSchedule,
};
use test_support::{CoreApp, granted, refused};

fn exception(starts_at: &str, ends_at: &str) -> ScheduleException {
    ScheduleException {
        ends_at: ends_at.to_owned(),
        kind: ScheduleExceptionKind::Available,
        starts_at: starts_at.to_owned(),
    }
}

#[tokio::test]
async fn a_new_specialist_works_never_until_its_schedule_is_replaced() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let get = async || granted(admin.specialist_schedule_get().specialist_id(specialist).send().await, 200);
    let fresh = get().await;
    let expected = SpecialistSchedule {
        buffer_after_minutes: 0,
        buffer_before_minutes: 0,
        daily_cap: None,
        exceptions: Vec::new(),
        horizon_days: 90,
        hours: Vec::new(),
        minimum_notice_minutes: 0,
        slot_minutes: 30,
        specialist_id: specialist,
        timezone: "Europe/Berlin".to_owned(),
        version: 1,
    };
    assert_eq!(fresh, expected);

    let body = UpdateSpecialistSchedule {
        buffer_after_minutes: Some(10),
        daily_cap: Some(8),
        exceptions: vec![
            exception("2026-12-24T08:00", "2026-12-24T12:30"),
            exception("2026-03-01T00:00", "2026-03-02T00:00"),
        ],
        hours: vec![
            CoreApp::window(7, "22:00", "00:00"),
            CoreApp::window(1, "13:00", "17:30"),
            CoreApp::window(1, "08:00", "13:00"),
        ],
        ..CoreApp::new_schedule()
    };
    let replaced = app.schedule_set(&admin, specialist, body.clone()).await;
    assert_eq!((replaced.version, replaced.buffer_after_minutes, replaced.daily_cap), (2, 10, Some(8)));
    assert_eq!(replaced.hours, [body.hours[2].clone(), body.hours[1].clone(), body.hours[0].clone()], "in order");
    assert_eq!(replaced.exceptions, [body.exceptions[1].clone(), body.exceptions[0].clone()]);
    assert_eq!(get().await, replaced);

    // The whole schedule is replaced: hours that are left out are removed.
    let body = UpdateSpecialistSchedule {
        exceptions: Vec::new(),
        hours: Vec::new(),
        horizon_days: 90,
        slot_minutes: 30,
        version: 2,
        ..CoreApp::new_schedule()
    };
    app.schedule_set(&admin, specialist, body).await;
    assert_eq!(get().await, SpecialistSchedule { version: 3, ..expected });
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let first = app.schedule_set(&admin, specialist, CoreApp::new_schedule()).await;
    let update = admin.specialist_schedule_update().specialist_id(specialist);
    let body = UpdateSpecialistSchedule { hours: Vec::new(), ..CoreApp::new_schedule() };
    let refusal = refused(update.body(body).send().await, 409, "stale_version");
    assert_eq!(refusal.details["version"], 2);
    assert_eq!(granted(admin.specialist_schedule_get().specialist_id(specialist).send().await, 200), first);
}

#[tokio::test]
async fn a_specialist_replaces_its_own_and_everybody_reads() {
    let app = CoreApp::start().await;
    let own = app.home().specialist_id;
    app.schedule_set(&app.specialist(), own, CoreApp::new_schedule()).await;
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let body = CoreApp::new_schedule;
    let update = app.specialist().specialist_schedule_update().specialist_id(colleague).body(body()).send().await;
    refused(update, 404, "specialist_not_found");
    for actor in [app.staff(), app.patient()] {
        let update = actor.specialist_schedule_update().specialist_id(own).body(body());
        refused(update.send().await, 403, "permission_denied");
    }
    for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
        let read = granted(actor.specialist_schedule_get().specialist_id(own).send().await, 200);
        assert_eq!((read.version, read.hours.len()), (2, 7));
        assert_eq!(granted(actor.specialist_schedule_get().specialist_id(colleague).send().await, 200).version, 1);
    }
    let theirs = app.away().specialist_id;
    let admin = app.admin();
    refused(admin.specialist_schedule_get().specialist_id(theirs).send().await, 404, "specialist_not_found");
    let update = admin.specialist_schedule_update().specialist_id(theirs).body(body());
    refused(update.send().await, 404, "specialist_not_found");
    granted(admin.specialist_delete().specialist_id(colleague).send().await, 204);
    refused(admin.specialist_schedule_get().specialist_id(colleague).send().await, 404, "specialist_not_found");
}

#[tokio::test]
async fn every_fault_is_named() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let attempt = async |body: UpdateSpecialistSchedule| {
        let update = admin.specialist_schedule_update().specialist_id(specialist).body(body);
        refused(update.send().await, 422, "validation_failed")
    };
    let body = UpdateSpecialistSchedule {
        exceptions: vec![
            exception("2026-02-30T08:00", "2026-03-01T08:00"),
            exception("2026-03-01T08:00", "2026-03-01T08:00"),
            exception("2026-03-01T08:00", "2027-03-03T08:00"),
        ],
        hours: vec![
            CoreApp::window(7, "20:00", "04:00"),
            CoreApp::window(2, "09:00", "12:00"),
            CoreApp::window(2, "12:00", "13:00"),
            CoreApp::window(1, "03:59", "08:00"),
            CoreApp::window(2, "11:00", "11:30"),
        ],
        ..CoreApp::new_schedule()
    };
    let refusal = attempt(body).await;
    let expected = [
        ("/exceptions/0/starts_at", "date"),
        ("/exceptions/1/ends_at", "order"),
        ("/exceptions/2/ends_at", "range"),
        ("/hours/3/starts_at", "overlap"),
        ("/hours/4/starts_at", "overlap"),
    ];
    assert_eq!(refusal.fields(), expected);

    let body = UpdateSpecialistSchedule {
        hours: vec![CoreApp::window(8, "24:00", "9:00")],
        slot_minutes: 3,
        ..CoreApp::new_schedule()
    };
    let refusal = attempt(body).await;
    let pointers: Vec<&str> = refusal.fields().iter().map(|(pointer, _)| *pointer).collect();
    for pointer in ["/hours/0/weekday", "/hours/0/starts_at", "/hours/0/ends_at", "/slot_minutes"] {
        assert!(pointers.contains(&pointer), "{pointer}: {refusal:?}");
    }
    let many = vec![exception("2026-03-01T08:00", "2026-03-01T09:00"); 501];
    attempt(UpdateSpecialistSchedule { exceptions: many, ..CoreApp::new_schedule() }).await;
    let fresh = granted(admin.specialist_schedule_get().specialist_id(specialist).send().await, 200);
    assert_eq!((fresh.version, fresh.hours.len()), (1, 0), "nothing was changed");
}
