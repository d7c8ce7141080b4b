//! Calendars: entries that each role sees, zones, and the number of statements.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::{AppointmentStatus, Calendar, Scope, SearchCalendar, SpecialtyInput};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use test_support::{Actor, Answer, CoreApp, granted, in_days, refused};

/// Returns a search for the appointments of the next month.
pub(crate) fn month() -> SearchCalendar {
    SearchCalendar {
        from: in_days(0, 0),
        specialist_ids: Vec::new(),
        statuses: Vec::new(),
        timezone: None,
        to: in_days(31, 0),
    }
}

async fn shown(actor: &Actor, search: SearchCalendar) -> Calendar {
    granted(actor.calendar_search().body(search).send().await, 200)
}

fn ids(calendar: &Calendar) -> Vec<i64> {
    calendar.entries.iter().map(|entry| entry.id).collect()
}

pub(crate) async fn execute(app: &CoreApp, sql: String) {
    app.owner().await.execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test]
async fn an_entry_says_what_a_calendar_needs_and_nothing_about_the_person() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let body = SpecialtyInput { description: None, name: "Knees".to_owned() };
    let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
    let patient = app.patient_create(&staff, "Plantedfirst", "Plantedlast").await.id;
    let mut body = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(2, 9));
    (body.specialty_id, body.title) = (Some(specialty), Some("planted title".to_owned()));
    let booked = granted(staff.appointment_create().body(body).send().await, 201);
    execute(&app, format!("update appointments set modality = 'video' where id = {}", booked.id)).await;

    let calendar = granted(staff.calendar_get().from(in_days(0, 0)).to(in_days(31, 0)).send().await, 200);
    let [entry] = calendar.entries.as_slice() else { panic!("one entry: {calendar:?}") };
    assert_eq!((entry.id, entry.uid, entry.status), (booked.id, booked.uid, AppointmentStatus::Scheduled));
    assert_eq!((entry.specialist_id, entry.patient_id), (booked.specialist_id, patient));
    assert_eq!((entry.started_at, entry.ended_at), (booked.started_at, booked.ended_at));
    assert_eq!(entry.modality.to_string(), "video");
    let specialty = entry.specialty.as_ref().map(|specialty| (specialty.id, specialty.name.as_str()));
    assert_eq!(specialty, booked.specialty_id.map(|id| (id, "Knees")));
    let text = serde_json::to_string(&calendar).unwrap().to_lowercase();
    assert!(!text.contains("planted"), "{text}");
    assert_eq!(shown(&staff, month()).await.entries.len(), 1, "asked by POST it is the same");
}

#[tokio::test]
async fn local_times_follow_the_clocks_of_the_zone() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let moment = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // Across the hour that is skipped in spring, and in both occurrences of the hour that is repeated in autumn.
    for started_at in ["2026-03-29T00:30:00Z", "2026-10-25T00:15:00Z", "2026-10-25T01:20:00Z"] {
        app.appointment_create(&staff, app.home().specialist_id, patient, moment(started_at)).await;
    }
    let local = async |path: String| {
        let body = Answer::to(staff.request(Method::GET, &path)).await.json(200);
        let entries = body["entries"].as_array().unwrap().iter();
        let times = entries.map(|entry| json!([entry["local_started_at"], entry["local_ended_at"]]));
        (body["timezone"].clone(), times.collect::<Vec<_>>())
    };
    let spring = "/v1/calendar?from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z";
    let autumn = "/v1/calendar?from=2026-10-01T00:00:00Z&to=2026-11-01T00:00:00Z";
    let berlin = "&timezone=Europe/Berlin";
    let expected = [json!(["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"])];
    assert_eq!(local(format!("{spring}{berlin}")).await, (json!("Europe/Berlin"), expected.to_vec()));
    let expected = [
        json!(["2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00"]),
        json!(["2026-10-25T02:20:00+01:00", "2026-10-25T03:20:00+01:00"]),
    ];
    assert_eq!(local(format!("{autumn}{berlin}")).await, (json!("Europe/Berlin"), expected.to_vec()));
    let expected = [json!(["2026-03-29T06:15:00+05:45", "2026-03-29T07:15:00+05:45"])];
    let kathmandu = local(format!("{spring}&timezone=Asia/Kathmandu")).await;
    assert_eq!(kathmandu, (json!("Asia/Kathmandu"), expected.to_vec()));

    // Without a zone the organization's applies, even if there are no entries.
    let clinic = "update organizations set timezone = 'America/St_Johns'";
    execute(&app, format!("{clinic} where id = {}", app.home().id)).await;
    let expected = [json!(["2026-03-28T22:00:00-02:30", "2026-03-28T23:00:00-02:30"])];
    assert_eq!(local(spring.to_owned()).await, (json!("America/St_Johns"), expected.to_vec()));
    let empty = local("/v1/calendar?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z".to_owned()).await;
    assert_eq!(empty, (json!("America/St_Johns"), Vec::new()));
}

#[tokio::test]
async fn everybody_sees_what_is_theirs() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let (own, record) = (app.home().specialist_id, app.patient_record().await.id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let third = app.specialist_create(&admin, "Dr. Third").await.id;
    let other = app.patient_create(&staff, "Bob", "Other").await.id;
    let mut booked = Vec::new();
    for (specialist, patient, hour) in [(own, other, 8), (own, record, 10), (colleague, record, 12), (third, other, 14)]
    {
        booked.push(app.appointment_create(&staff, specialist, patient, in_days(2, hour)).await.id);
    }
    let away = app.other_admin();
    let stranger = app.patient_create(&away, "Eve", "Away").await.id;
    let foreign = app.appointment_create(&away, app.away().specialist_id, stranger, in_days(2, 8)).await.id;

    for everything in [&admin, &staff, &app.superadmin().in_organization(app.home().id)] {
        assert_eq!(ids(&shown(everything, month()).await), booked);
    }
    assert_eq!(ids(&shown(&app.specialist(), month()).await), booked[..2]);
    assert_eq!(ids(&shown(&app.patient(), month()).await), booked[1..3]);
    assert_eq!(ids(&shown(&away, month()).await), [foreign]);

    // Asking for another specialist shows nothing more.
    let of = |specialist_ids: &[i64]| SearchCalendar { specialist_ids: specialist_ids.to_vec(), ..month() };
    assert_eq!(ids(&shown(&staff, of(&[colleague, third])).await), booked[2..]);
    assert_eq!(ids(&shown(&app.specialist(), of(&[colleague, own])).await), booked[..2]);
    assert_eq!(ids(&shown(&staff, of(&[app.away().specialist_id])).await), [] as [i64; 0]);
    let get = staff.calendar_get().from(in_days(0, 0)).to(in_days(31, 0)).specialist_id(third).send().await;
    assert_eq!(ids(&granted(get, 200)), booked[3..]);

    let program = app.program(&[Scope::CalendarRead]).await;
    let get = || program.calendar_get().from(in_days(0, 0)).to(in_days(31, 0));
    assert_eq!(ids(&granted(get().send().await, 200)), booked);
    let program = app.program(&[Scope::AppointmentsRead]).await;
    let get = program.calendar_get().from(in_days(0, 0)).to(in_days(31, 0));
    refused(get.send().await, 403, "permission_denied");
}

#[tokio::test]
async fn a_hold_is_shown_to_who_asks_and_only_while_it_lasts() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let mut booked = Vec::new();
    for hour in 8..14 {
        booked.push(app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, hour)).await.id);
    }
    let hold = "update appointments set status = 'held', holder = 'user:1', hold_expires_at = now()";
    execute(&app, format!("{hold} + interval '10 minutes' where id = {}", booked[1])).await;
    execute(&app, format!("{hold} - interval '1 second' where id = {}", booked[2])).await;
    for (id, change) in [(booked[3], "status = 'expired'"), (booked[4], "status = 'cancelled'")] {
        execute(&app, format!("update appointments set {change} where id = {id}")).await;
    }
    execute(&app, format!("update appointments set deleted_at = now() where id = {}", booked[5])).await;

    assert_eq!(ids(&shown(&staff, month()).await), [booked[0], booked[4]]);
    let of = |statuses: &[AppointmentStatus]| SearchCalendar { statuses: statuses.to_vec(), ..month() };
    assert_eq!(ids(&shown(&staff, of(&[AppointmentStatus::Held])).await), [booked[1]], "one has run out");
    let free = [AppointmentStatus::Held, AppointmentStatus::Expired];
    assert_eq!(ids(&shown(&staff, of(&free)).await), [booked[1], booked[3]]);
    let get = staff.calendar_get().from(in_days(0, 0)).to(in_days(31, 0)).status("cancelled").send().await;
    assert_eq!(ids(&granted(get, 200)), [booked[4]]);
}

#[tokio::test]
async fn a_range_takes_what_overlaps_it() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let (begin, hour) = (in_days(2, 8), TimeDelta::hours(1));
    let mut long = CoreApp::new_appointment(app.home().specialist_id, patient, begin);
    long.ended_at = begin + hour * 24;
    let booked = granted(staff.appointment_create().body(long).send().await, 201).id;
    let minute = TimeDelta::minutes(1);
    for (from, to, there) in [
        (begin - hour, begin, false),
        (begin - hour, begin + minute, true),
        (begin + hour * 24 - minute, begin + hour * 48, true),
        (begin + hour * 24, begin + hour * 48, false),
        (begin + hour, begin + hour * 2, true),
    ] {
        let seen = ids(&shown(&staff, SearchCalendar { from, to, ..month() }).await);
        assert_eq!(seen == [booked], there, "{from} to {to}: {seen:?}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_whole() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let mars = || Some("Mars/Olympus".to_owned());
    let bad = SearchCalendar { to: in_days(93, 0), timezone: mars(), ..month() };
    let refusal = refused(staff.calendar_search().body(bad).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/timezone", "timezone"), ("/to", "range")]);
    let bad = SearchCalendar { to: in_days(0, 0), ..month() };
    let refusal = refused(staff.calendar_search().body(bad).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/to", "order")]);
    let get = staff.calendar_get().from(in_days(0, 0)).to(in_days(93, 0)).timezone("Mars/Olympus").send().await;
    let refusal = refused(get, 400, "invalid_parameter");
    assert_eq!(refusal.fields(), [("timezone", "timezone"), ("to", "range")]);
    let many = SearchCalendar { specialist_ids: (1..=101).collect(), ..month() };
    refused(staff.calendar_search().body(many).send().await, 422, "validation_failed");
    Answer::to(staff.request(Method::GET, "/v1/calendar?from=2026-03-01T00:00:00Z"))
        .await
        .refusal(400, "invalid_parameter");
    assert_eq!(shown(&staff, SearchCalendar { to: in_days(92, 0), ..month() }).await.entries.len(), 0);
}

#[tokio::test]
async fn a_month_of_a_thousand_appointments_costs_what_one_of_ten_does() {
    // With one connection, a prepared statement serves every request.
    let app = CoreApp::builder().env("DB_POOL_MIN", "1").env("DB_POOL_MAX", "1").proxied().start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let fill = async |first: i64, last: i64| {
        let (home, specialist) = (app.home().id, app.home().specialist_id);
        let sql = format!(
            "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id)
             select {home}, 'scheduled', moment, moment + interval '20 minutes',
                    tstzrange(moment, moment + interval '20 minutes'), {specialist}, {patient}
             from (select date_trunc('day', now()) + interval '1 day' + n * interval '30 minutes' as moment
                   from generate_series({first}, {last}) n) slots"
        );
        execute(&app, sql).await;
    };
    let cost = async |entries: usize| {
        // The first call prepares the statement, the second one is counted.
        assert_eq!(shown(&staff, month()).await.entries.len(), entries);
        app.proxy().listen();
        assert_eq!(shown(&staff, month()).await.entries.len(), entries);
        let said = app.proxy().said();
        (said.statements().len(), said.awaited())
    };
    fill(1, 10).await;
    let ten = cost(10).await;
    fill(11, 1000).await;
    assert_eq!((cost(1000).await, ten), ((1, 1), (1, 1)));
}
