//! `/v1/specialists/{specialist_id}/availability`: open slots.

use chrono::{DateTime, Datelike as _, TimeDelta, TimeZone as _, Utc, Weekday};
use restartix_sdk::core::types::{
    AppointmentTemplateInput, Availability, ScheduleException, ScheduleExceptionKind, SpecialistInput,
    UpdateSpecialistSchedule,
};
use sqlx::AssertSqlSafe;
use test_support::{Actor, CoreApp, granted, in_days, refused};

/// Returns the slots of a UTC day.
async fn day(actor: &Actor, specialist: i64, days: u64, template: Option<i64>) -> Availability {
    let mut get = actor.specialist_availability_get().specialist_id(specialist);
    if let Some(template) = template {
        get = get.template_id(template);
    }
    granted(get.from(in_days(days, 0)).to(in_days(days + 1, 0)).send().await, 200)
}

fn starts(found: &Availability) -> Vec<DateTime<Utc>> {
    found.data.iter().map(|slot| slot.started_at).collect()
}

/// Creates a specialist who works daily from 9:00 to 12:00 UTC.
async fn specialist(app: &CoreApp, schedule: UpdateSpecialistSchedule) -> i64 {
    let body = SpecialistInput { timezone: "Etc/UTC".to_owned(), ..CoreApp::new_specialist("Dr. Open") };
    let id = granted(app.admin().specialist_create().body(body).send().await, 201).id;
    let hours = (1..=7).map(|weekday| CoreApp::window(weekday, "09:00", "12:00")).collect();
    app.schedule_set(&app.admin(), id, UpdateSpecialistSchedule { hours, ..schedule }).await;
    id
}

#[tokio::test]
async fn everybody_sees_what_is_open_and_nobody_who_took_the_rest() {
    let app = CoreApp::start().await;
    let id = specialist(&app, CoreApp::new_schedule()).await;
    let open = [in_days(3, 9), in_days(3, 10), in_days(3, 11)];
    let found = day(&app.patient(), id, 3, None).await;
    assert_eq!((found.specialist_id, found.timezone.as_str(), found.slot_minutes), (id, "Etc/UTC", 60));
    assert_eq!(starts(&found), open);
    assert!(found.data.iter().all(|slot| slot.ended_at - slot.started_at == TimeDelta::hours(1)));

    // Another patient's booking blocks its time although the patient cannot see it.
    let staff = app.staff();
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, id, ann, open[1]).await;
    for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
        assert_eq!(starts(&day(&actor, id, 3, None).await), [open[0], open[2]]);
    }
    granted(app.admin().appointment_delete().appointment_id(booked.id).send().await, 204);
    assert_eq!(starts(&day(&app.patient(), id, 3, None).await), open);
}

#[tokio::test]
async fn a_hold_takes_time_until_it_runs_out() {
    let app = CoreApp::start().await;
    let (staff, id) = (app.staff(), specialist(&app, CoreApp::new_schedule()).await);
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let held = app.appointment_create(&staff, id, ann, in_days(3, 10)).await.id;
    let mut owner = app.owner().await;
    for (expires, open) in [("now() + interval '10 minutes'", 2), ("now() - interval '1 second'", 3)] {
        let sql = format!(
            "update appointments set status = 'held', holder = 'somebody', hold_expires_at = {expires} where id = {held}"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
        assert_eq!(day(&app.patient(), id, 3, None).await.data.len(), open, "{expires}");
    }
}

#[tokio::test]
async fn a_template_says_how_long_and_how_far_apart() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let schedule = UpdateSpecialistSchedule { buffer_after_minutes: Some(30), ..CoreApp::new_schedule() };
    let id = specialist(&app, schedule).await;
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    app.appointment_create(&staff, id, ann, in_days(3, 10)).await;
    // The specialist's buffer blocks the hour before the booking.
    assert_eq!(starts(&day(&staff, id, 3, None).await), [in_days(3, 11)]);
    let body = AppointmentTemplateInput { buffer_after_minutes: Some(15), ..CoreApp::new_appointment_template("Talk") };
    let talk = app.appointment_template_create(&admin, body).await.id;
    let found = day(&staff, id, 3, Some(talk)).await;
    assert_eq!(starts(&found), [in_days(3, 9), in_days(3, 11)]);
    assert_eq!(found.data[0].ended_at, in_days(3, 9) + TimeDelta::minutes(45));

    let notice =
        AppointmentTemplateInput { minimum_notice_minutes: Some(43_200), ..CoreApp::new_appointment_template("Late") };
    let late = app.appointment_template_create(&admin, notice).await.id;
    assert_eq!(day(&staff, id, 3, Some(late)).await.data, []);
    assert_eq!(day(&staff, id, 32, Some(late)).await.data.len(), 3);

    let get = |template: i64| staff.specialist_availability_get().specialist_id(id).template_id(template);
    refused(get(4711).send().await, 404, "appointment_template_not_found");
    let theirs = app.appointment_template_create(&app.other_admin(), CoreApp::new_appointment_template("Talk")).await;
    refused(get(theirs.id).send().await, 404, "appointment_template_not_found");
    granted(admin.appointment_template_delete().appointment_template_id(late).send().await, 204);
    refused(get(late).send().await, 404, "appointment_template_not_found");
}

#[tokio::test]
async fn exceptions_caps_and_horizons_hold() {
    let app = CoreApp::start().await;
    let (staff, local) = (app.staff(), |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M").to_string());
    let exception = |kind, from, to| ScheduleException { ends_at: local(to), kind, starts_at: local(from) };
    let schedule = UpdateSpecialistSchedule {
        daily_cap: Some(1),
        exceptions: vec![
            exception(ScheduleExceptionKind::Unavailable, in_days(3, 0), in_days(3, 11)),
            exception(ScheduleExceptionKind::Available, in_days(3, 14), in_days(3, 15)),
        ],
        horizon_days: 5,
        ..CoreApp::new_schedule()
    };
    let id = specialist(&app, schedule).await;
    assert_eq!(starts(&day(&staff, id, 3, None).await), [in_days(3, 11), in_days(3, 14)]);
    assert_eq!(day(&staff, id, 5, None).await.data.len(), 3, "the last day of the horizon is whole");
    assert_eq!(day(&staff, id, 6, None).await.data, []);
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, id, ann, in_days(4, 9)).await.id;
    assert_eq!(day(&staff, id, 4, None).await.data, [], "one is what begins on a day");
    // A completed appointment counts towards the daily cap, too.
    let sql = format!("update appointments set status = 'completed' where id = {booked}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
    assert_eq!(day(&staff, id, 4, None).await.data, []);
}

#[tokio::test]
async fn hours_are_local_to_the_specialists_zone() {
    let app = CoreApp::start().await;
    let (staff, id) = (app.staff(), app.home().specialist_id);
    app.schedule_set(&app.admin(), id, CoreApp::new_schedule()).await;
    let found = granted(
        staff.specialist_availability_get().specialist_id(id).from(in_days(1, 0)).to(in_days(93, 0)).send().await,
        200,
    );
    assert_eq!(found.timezone, "Europe/Berlin");
    // The slot is at nine local time in Berlin, across any change of the clocks in these three months.
    let zone = chrono_tz::Tz::Europe__Berlin;
    let local = |at: &DateTime<Utc>| zone.from_utc_datetime(&at.naive_utc());
    let hours = starts(&found)
        .iter()
        .map(|at| local(at).format("%H:%M").to_string())
        .collect::<std::collections::BTreeSet<_>>();
    let nine_to_four = ["09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"];
    assert_eq!(hours.into_iter().collect::<Vec<_>>(), nine_to_four);
    let mondays = starts(&found).iter().filter(|at| local(at).weekday() == Weekday::Mon).count();
    assert!(mondays >= 13 * 8, "{mondays}");
}

#[tokio::test]
async fn who_can_not_be_booked_has_nothing_open() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    assert_eq!(day(&staff, app.home().specialist_id, 3, None).await.data, [], "no hours");
    let id = specialist(&app, CoreApp::new_schedule()).await;
    let body = SpecialistInput { bookable: Some(false), ..CoreApp::new_specialist("Dr. Closed") };
    granted(admin.specialist_update().specialist_id(id).body(body).send().await, 200);
    assert_eq!(day(&staff, id, 3, None).await.data, []);
    granted(admin.specialist_delete().specialist_id(id).send().await, 204);
    for id in [id, app.away().specialist_id, 4711] {
        let get = staff.specialist_availability_get().specialist_id(id);
        refused(get.send().await, 404, "specialist_not_found");
    }
}

#[tokio::test]
async fn ranges_are_bounded() {
    let app = CoreApp::start().await;
    let (staff, id) = (app.staff(), specialist(&app, CoreApp::new_schedule()).await);
    let get = || staff.specialist_availability_get().specialist_id(id);
    let week = granted(get().send().await, 200);
    let (now, end) = (Utc::now(), Utc::now() + TimeDelta::days(7));
    assert!((20..=21).contains(&week.data.len()), "the seven days that begin now: {week:?}");
    assert!(starts(&week).iter().all(|at| *at >= now - TimeDelta::minutes(1) && *at < end));
    for (from, to) in [(in_days(2, 0), in_days(1, 0)), (in_days(1, 0), in_days(1, 0)), (in_days(1, 0), in_days(94, 0))]
    {
        let refusal = refused(get().from(from).to(to).send().await, 400, "invalid_range");
        assert_eq!(refusal.fields(), [("from", "range")]);
    }
    granted(get().from(in_days(1, 0)).to(in_days(93, 0)).send().await, 200);
    // Ranges in the distant past and future are empty.
    for year in [1, 1900, 9999] {
        let from = Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
        assert_eq!(granted(get().from(from).send().await, 200).data, []);
    }
}
