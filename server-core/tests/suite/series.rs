//! `/v1/appointment-series`: series are checked whole and booked together.

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use futures_util::future::join_all;
use restartix_sdk::core::types::{
    AppointmentSeries, AppointmentSeriesResult, AppointmentStatus, ConflictReason, CreateAppointmentSeries,
    HoldAppointment, OnConflict, Recurrence, RecurrenceFrequency, ScheduleException, ScheduleExceptionKind,
    SpecialistInput, UpdateAppointment, UpdateSpecialistSchedule,
};
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, Kind, Occurrence, Template, granted, in_days, occurrences, refused};

use crate::{appointment_race::outcomes, booking_race::OVERLAPS};

/// Books a series all of whose times have to be free.
pub(crate) async fn booked(actor: &Actor, body: CreateAppointmentSeries) -> AppointmentSeries {
    let answer = granted(actor.appointment_series_create().body(body).send().await, 201);
    assert_eq!(answer.skipped, []);
    answer.series
}

/// Books the free times of a series.
async fn booked_in_part(actor: &Actor, body: CreateAppointmentSeries) -> AppointmentSeriesResult {
    granted(actor.appointment_series_create().on_conflict(OnConflict::Skip).body(body).send().await, 201)
}

pub(crate) fn starts(series: &AppointmentSeries) -> Vec<DateTime<Utc>> {
    series.appointments.iter().map(|appointment| appointment.started_at).collect()
}

/// Returns the beginnings of a daily series in UTC.
fn days(first: u64, count: u64, hour: u32) -> Vec<DateTime<Utc>> {
    (first..first + count).map(|day| in_days(day, hour)).collect()
}

/// Creates a specialist in a zone.
pub(crate) async fn specialist(app: &CoreApp, timezone: &str) -> i64 {
    let body = SpecialistInput { timezone: timezone.to_owned(), ..CoreApp::new_specialist("Dr. Again") };
    granted(app.admin().specialist_create().body(body).send().await, 201).id
}

#[tokio::test]
async fn a_series_is_booked_as_its_template_says() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), specialist(&app, "Etc/UTC").await);
    let patient = app.patient_record().await.id;
    let template = Template { buffers: Some((15, 30)), cancellation_cutoff_minutes: 60, ..Template::of_minutes(45) };
    let template = app.template_add(Template { modality: "video", ..template }).await;
    let body = CreateAppointmentSeries {
        ended_at: None,
        template_id: Some(template),
        title: Some("Knee".to_owned()),
        ..CoreApp::new_series(specialist, patient, in_days(3, 9), CoreApp::daily(4))
    };
    let series = booked(&staff, body).await;
    assert_eq!(starts(&series), days(3, 4, 9));
    assert_eq!((series.specialist_id, series.patient_id, series.timezone.as_str()), (specialist, patient, "Etc/UTC"));
    assert_eq!((series.started_at, series.ended_at), (in_days(3, 9), in_days(3, 9) + TimeDelta::minutes(45)));
    let rule = (series.recurrence.frequency, series.recurrence.interval, series.recurrence.count);
    assert_eq!(rule, (RecurrenceFrequency::Daily, Some(1), Some(4)));
    assert_eq!((series.user_id, series.version), (Some(staff.person().user_id), 1));
    for appointment in &series.appointments {
        let said = (appointment.status, appointment.title.as_str(), appointment.appointment_template_id);
        assert_eq!(said, (AppointmentStatus::Scheduled, "Knee", Some(template)));
        assert_eq!(appointment.ended_at - appointment.started_at, TimeDelta::minutes(45));
        assert_eq!(appointment.appointment_series_id, Some(series.id));
        assert_eq!(granted(staff.appointment_get().appointment_id(appointment.id).send().await, 200), *appointment);
    }
    let stamped = "select count(*) from appointments
                   where started_at - lower(block) = interval '15 minutes'
                     and upper(block) - ended_at = interval '30 minutes' and cancellation_cutoff_minutes = 60";
    assert_eq!(app.count(stamped).await, 4);
    assert_eq!(app.count("select count(*) from jobs where kind = 'video_room_follow'").await, 4);
    let get =
        |actor: Actor| async move { actor.appointment_series_get().appointment_series_id(series.id).send().await };
    assert_eq!(granted(get(staff.clone()).await, 200), series);
    refused(get(app.patient()).await, 403, "permission_denied");
    for stranger in [app.specialist(), app.other_admin()] {
        refused(get(stranger).await, 404, "appointment_series_not_found");
    }
    // Its patient sees the appointments.
    let own = granted(app.patient().appointment_list().send().await, 200);
    assert_eq!(own.data, series.appointments);
}

#[tokio::test]
async fn times_that_are_not_free_are_all_named_and_nothing_is_booked() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), specialist(&app, "Etc/UTC").await);
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    // Conflicts: an appointment of the specialist, one of the patient, and an absence. A lapsed hold is none.
    app.appointment_create(&staff, specialist, tom, in_days(4, 9) + TimeDelta::minutes(59)).await;
    app.appointment_create(&staff, colleague, ann, in_days(5, 8) + TimeDelta::minutes(1)).await;
    let away = ScheduleException {
        kind: ScheduleExceptionKind::Unavailable,
        starts_at: in_days(6, 9).format("%Y-%m-%dT09:30").to_string(),
        ends_at: in_days(6, 9).format("%Y-%m-%dT09:45").to_string(),
    };
    let schedule = UpdateSpecialistSchedule { exceptions: vec![away], ..CoreApp::new_schedule() };
    app.schedule_set(&app.admin(), specialist, schedule).await;
    let stale = HoldAppointment {
        patient_id: Some(tom),
        specialist_id: specialist,
        started_at: in_days(7, 9),
        template_id: None,
    };
    let held = granted(staff.appointment_hold_create().body(stale).send().await, 201).id;
    app.appointment_set(held, "hold_expires_at = now() - interval '1 second'").await;

    let body = || CoreApp::new_series(specialist, ann, in_days(3, 9), CoreApp::daily(5));
    let before = app.count("select count(*) from appointments").await;
    let refusal = refused(staff.appointment_series_create().body(body()).send().await, 409, "series_conflict");
    let named = |day, reason: &str| {
        let (from, to) = (in_days(day, 9), in_days(day, 10));
        json!({ "started_at": from.to_rfc3339(), "ended_at": to.to_rfc3339(), "reason": reason })
    };
    let conflicts = [named(4, "slot_taken"), named(5, "slot_taken"), named(6, "specialist_away")];
    assert_eq!(refusal.details, json!({ "conflicts": conflicts }));
    assert_eq!(app.count("select count(*) from appointment_series").await, 0);
    assert_eq!(app.count("select count(*) from appointments").await, before);

    let part = booked_in_part(&staff, body()).await;
    assert_eq!(starts(&part.series), [in_days(3, 9), in_days(7, 9)]);
    let skipped: Vec<_> = part.skipped.iter().map(|conflict| (conflict.started_at, conflict.reason)).collect();
    let (taken, away) = (ConflictReason::SlotTaken, ConflictReason::SpecialistAway);
    assert_eq!(skipped, [(in_days(4, 9), taken), (in_days(5, 9), taken), (in_days(6, 9), away)]);
    let lapsed = granted(staff.appointment_get().appointment_id(held).send().await, 200);
    assert_eq!(lapsed.status, AppointmentStatus::Expired);

    // If no time is free, there is nothing to book.
    let again = staff.appointment_series_create().on_conflict(OnConflict::Skip).body(body()).send().await;
    assert_eq!(refused(again, 409, "series_conflict").details["conflicts"].as_array().map(Vec::len), Some(5));
    assert_eq!(app.count("select count(*) from appointment_series").await, 1);
}

#[tokio::test]
async fn a_series_does_not_overlap_itself() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), specialist(&app, "Etc/UTC").await);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = app.template_add(Template { buffers: Some((0, 1)), ..Template::of_minutes(1440) }).await;
    let body = || CreateAppointmentSeries {
        ended_at: None,
        template_id: Some(template),
        ..CoreApp::new_series(specialist, patient, in_days(3, 9), CoreApp::daily(5))
    };
    let refusal = refused(staff.appointment_series_create().body(body()).send().await, 409, "series_conflict");
    assert_eq!(refusal.details["conflicts"].as_array().map(Vec::len), Some(2));
    let part = booked_in_part(&staff, body()).await;
    assert_eq!(starts(&part.series), [3, 5, 7].map(|day| in_days(day, 9)));
    // Without buffers, appointments of 24 hours can follow each other.
    let bare = CreateAppointmentSeries {
        ended_at: Some(in_days(21, 9)),
        ..CoreApp::new_series(specialist, patient, in_days(20, 9), CoreApp::daily(5))
    };
    assert_eq!(starts(&booked(&staff, bare).await), days(20, 5, 9));
}

/// Returns the date a year ahead.
pub(crate) fn next_year(month: u32, day: u32) -> NaiveDate {
    use chrono::Datelike as _;
    NaiveDate::from_ymd_opt(Utc::now().year() + 1, month, day).unwrap()
}

#[tokio::test]
async fn a_series_is_when_another_program_says_it_is() {
    use RecurrenceFrequency::{Daily, Monthly, Weekly};
    let app = CoreApp::start().await;
    let staff = app.staff();
    let rule = |frequency, interval, weekdays: &[i32], count| Recurrence {
        count,
        frequency,
        interval: Some(interval),
        until: None,
        weekdays: weekdays.to_vec(),
    };
    // The clocks change within each series; some of the local times are skipped or occur twice.
    let cases = [
        ("Europe/Berlin", next_year(3, 1), (2, 30), rule(Daily, 1, &[], Some(40))),
        ("Europe/Berlin", next_year(10, 10), (2, 30), rule(Daily, 1, &[], Some(40))),
        ("America/New_York", next_year(1, 4), (9, 0), rule(Weekly, 1, &[], Some(52))),
        ("Australia/Lord_Howe", next_year(9, 10), (2, 15), rule(Daily, 1, &[], Some(50))),
        ("Australia/Lord_Howe", next_year(3, 10), (1, 45), rule(Daily, 2, &[], Some(50))),
        ("Pacific/Auckland", next_year(2, 1), (23, 45), rule(Weekly, 2, &[1, 2, 3, 4, 5, 6, 7], Some(99))),
        ("America/Santiago", next_year(8, 1), (0, 0), rule(Daily, 1, &[], Some(45))),
        ("Asia/Kathmandu", next_year(1, 31), (12, 0), rule(Monthly, 1, &[], Some(14))),
        ("Europe/London", next_year(1, 30), (1, 0), rule(Monthly, 5, &[], None)),
        ("Europe/London", next_year(1, 1), (1, 30), rule(Weekly, 3, &[], None)),
    ];
    let mut left_out = 0;
    for (name, date, (hour, minute), mut recurrence) in cases {
        let zone: Tz = name.parse().unwrap();
        let specialist = specialist(&app, name).await;
        let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
        let first = zone.from_local_datetime(&date.and_hms_opt(hour, minute, 0).unwrap()).earliest().unwrap();
        let ends = if let Some(count) = recurrence.count {
            format!("COUNT={count}")
        } else {
            let until = date + TimeDelta::days(700);
            recurrence.until = Some(until);
            format!("UNTIL={}", until.format("%Y%m%dT235959"))
        };
        let weekdays: Vec<_> = recurrence
            .weekdays
            .iter()
            .map(|day| ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][usize::try_from(day - 1).unwrap()])
            .collect();
        let by_day = if weekdays.is_empty() { String::new() } else { format!(";BYDAY={}", weekdays.join(",")) };
        let frequency = recurrence.frequency.to_string().to_uppercase();
        let interval = recurrence.interval.unwrap();
        let rule = format!("FREQ={frequency};INTERVAL={interval}{by_day};{ends}");
        let expected = occurrences(&rule, name, first.to_utc());
        left_out += expected.iter().filter(|occurrence| occurrence.skipped).count();

        let mut body = CoreApp::new_series(specialist, patient, first.to_utc(), recurrence);
        body.ended_at = Some(first.to_utc() + TimeDelta::minutes(10));
        let AppointmentSeriesResult { series, skipped } = booked_in_part(&staff, body).await;
        assert!(skipped.iter().all(|conflict| conflict.reason == ConflictReason::TimeSkipped), "{rule}: {skipped:?}");
        let mut said: Vec<_> = starts(&series).into_iter().map(|at| Occurrence { at, skipped: false }).collect();
        said.extend(skipped.iter().map(|conflict| Occurrence { at: conflict.started_at, skipped: true }));
        said.sort_unstable_by_key(|occurrence| occurrence.at);
        let mut expected = expected;
        expected.sort_unstable_by_key(|occurrence| occurrence.at);
        assert_eq!(said, expected, "{name}: {rule}");
    }
    assert!(left_out >= 3, "clocks leave out {left_out} of the times");
}

#[tokio::test]
async fn a_rule_that_is_none_says_where_it_is_wrong() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    // Time at which it is the same date in every zone.
    let first = in_days(3, 12);
    let weekday = i32::from(u8::try_from(chrono::Datelike::weekday(&first).number_from_monday()).unwrap());
    let until = first.naive_utc().date();
    let cases: [(Value, &str, &str); 9] = [
        (json!({ "frequency": "daily" }), "/recurrence/count", "required"),
        (json!({ "frequency": "daily", "count": 3, "until": until }), "/recurrence/until", "excluded"),
        (json!({ "frequency": "daily", "count": 3, "weekdays": [1] }), "/recurrence/weekdays", "excluded"),
        (
            json!({ "frequency": "weekly", "count": 3, "weekdays": [weekday % 7 + 1] }),
            "/recurrence/weekdays",
            "first_day",
        ),
        (json!({ "frequency": "daily", "until": until }), "/recurrence/until", "range"),
        (json!({ "frequency": "daily", "until": until + TimeDelta::days(101) }), "/recurrence/until", "range"),
        (json!({ "frequency": "monthly", "until": until + TimeDelta::days(800) }), "/recurrence/until", "range"),
        (json!({ "frequency": "monthly", "count": 26 }), "/recurrence/count", "range"),
        (json!({ "frequency": "weekly", "count": 3, "weekdays": [8] }), "/recurrence/weekdays/0", "maximum"),
    ];
    let request = |recurrence: &Value| {
        let body = json!({
            "specialist_id": specialist,
            "patient_id": patient,
            "started_at": first,
            "ended_at": first + TimeDelta::minutes(30),
            "recurrence": recurrence,
        });
        staff.request(reqwest::Method::POST, "/v1/appointment-series").json(&body)
    };
    for (recurrence, pointer, rule) in cases {
        let refusal = Answer::to(request(&recurrence)).await.refusal(422, "validation_failed");
        assert_eq!(refusal.fields(), [(pointer, rule)], "{recurrence}");
    }
    let body = || CoreApp::new_series(specialist, patient, first, CoreApp::daily(2));
    let endless = CreateAppointmentSeries { ended_at: None, ..body() };
    let backwards = CreateAppointmentSeries { ended_at: Some(first), ..body() };
    let far = CreateAppointmentSeries { started_at: in_days(4000, 9), ended_at: Some(in_days(4000, 10)), ..body() };
    for (body, field) in [
        (endless, ("/ended_at", "required")),
        (backwards, ("/ended_at", "order")),
        (far, ("/started_at", "range")),
        (CreateAppointmentSeries { specialist_id: 9999, ..body() }, ("/specialist_id", "unknown_reference")),
        (CreateAppointmentSeries { patient_id: 9999, ..body() }, ("/patient_id", "unknown_reference")),
        (CreateAppointmentSeries { specialty_id: Some(9999), ..body() }, ("/specialty_id", "unknown_reference")),
        (CreateAppointmentSeries { template_id: Some(9999), ..body() }, ("/template_id", "unknown_reference")),
    ] {
        let refusal = refused(staff.appointment_series_create().body(body).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [field]);
    }
    assert_eq!(app.count("select count(*) from appointment_series").await, 0);
}

/// Books series for one calendar concurrently: of those that overlap, one is booked whole and the others not at all.
#[tokio::test]
async fn series_race_whole() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), specialist(&app, "Etc/UTC").await);
    let mut patients = Vec::new();
    for number in 0..12 {
        patients.push(app.patient_create(&staff, "Racer", &format!("No {number}")).await.id);
    }
    for round in 0..10_u64 {
        // Each begins a day after the one before, so that all of them overlap on the last day of the first.
        let first = 3 + round * 40;
        let attempts = patients.iter().zip(0_u64..).map(|(&patient, place)| {
            let body = CoreApp::new_series(specialist, patient, in_days(first + place, 9), CoreApp::daily(12));
            staff.appointment_series_create().body(body).send()
        });
        let said = outcomes(join_all(attempts).await).await;
        assert_eq!(said.get("201"), Some(&1), "round {round}: {said:?}");
        assert_eq!(said.get("409 series_conflict"), Some(&(patients.len() - 1)), "round {round}: {said:?}");
    }
    assert_eq!(app.count("select count(*) from appointments").await, 120);
    assert_eq!(app.count("select count(*) from appointment_series").await, 10);
    assert_eq!(app.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn a_long_series_costs_as_many_statements_as_a_short_one() {
    let app = CoreApp::builder().proxied().start().await;
    let (staff, specialist) = (app.staff(), specialist(&app, "Etc/UTC").await);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let template = app.template_add(Template { modality: "video", ..Template::of_minutes(45) }).await;
    let cost = async |first: u64, count: i32| {
        let body = CreateAppointmentSeries {
            ended_at: None,
            template_id: Some(template),
            ..CoreApp::new_series(specialist, patient, in_days(first, 9), CoreApp::daily(count))
        };
        app.proxy().listen();
        booked(&staff, body).await;
        // Its jobs run their queries as the owner.
        let said = app.proxy().said();
        let trips = said.0.iter().filter(|trip| trip.user == Kind::Core.app() && !trip.background());
        // The driver reads the names of types once per connection.
        let statements = trips.flat_map(|trip| &trip.statements).filter(|asked| !asked.sql.contains("pg_type"));
        statements.map(|statement| statement.sql.chars().take(40).collect()).collect::<Vec<String>>()
    };
    // The first call prepares the statements.
    cost(3, 2).await;
    let short = cost(10, 2).await;
    assert_eq!(cost(20, 100).await, short);
}

#[tokio::test]
async fn an_appointment_of_a_series_stays_its_patients() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let ann = app.patient_create(&staff, "Ann", "Lee").await.id;
    let tom = app.patient_create(&staff, "Tom", "Moe").await.id;
    let series = booked(&staff, CoreApp::new_series(specialist, ann, in_days(3, 9), CoreApp::daily(3))).await;
    let second = &series.appointments[1];
    let update = |patient_id| {
        let body = UpdateAppointment {
            ended_at: second.ended_at,
            patient_id,
            specialist_id: specialist,
            specialty_id: None,
            started_at: second.started_at,
            title: Some("Knee".to_owned()),
            version: second.version,
        };
        staff.appointment_update().appointment_id(second.id).body(body).send()
    };
    let refusal = refused(update(tom).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "of_series")]);
    let kept = granted(update(ann).await, 200);
    assert_eq!((kept.appointment_series_id, kept.title.as_str()), (Some(series.id), "Knee"));
    // A change of an appointment counts as a change of the series.
    let changed = granted(staff.appointment_series_get().appointment_series_id(series.id).send().await, 200);
    assert_eq!(changed.version, series.version + 1);
}
