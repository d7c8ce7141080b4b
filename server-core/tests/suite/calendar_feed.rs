//! Calendar feeds: their content and who may read them.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use restartix_sdk::core::types::{
    BeginImpersonation, CalendarFeedToken, CancelAppointment, CancellationReason, RescheduleAppointment, Scope,
    SpecialtyInput, UpdateAppointment,
};
use test_support::{Actor, Answer, Clinic, CoreApp, Icalendar, Role, eventually, granted, in_days, refused, until};

use crate::{
    appointment::unchanged,
    calendar::{execute, month},
};

async fn subscribe(actor: &Actor) -> CalendarFeedToken {
    granted(actor.calendar_feed_create().send().await, 201)
}

/// Fetches a feed like a calendar program, with nothing but the link.
async fn fetch(base: &str, token: &str) -> Answer {
    let http = reqwest::Client::builder().build().unwrap();
    Answer::to(http.get(format!("{base}/v1/calendar.ics?token={token}"))).await
}

async fn read(app: &CoreApp, token: &str) -> Icalendar {
    let answer = fetch(&app.url(), token).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.body);
    assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
    Icalendar::parse(&answer.body)
}

#[tokio::test]
async fn a_feed_says_what_the_calendar_says_to_another_reader() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let name = "Knees, hips; \\feet\\ and a name that is long enough to be folded: Gelenkchirurgie für Knie und Hüfte";
    let body = SpecialtyInput { description: None, name: name.to_owned() };
    let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
    let patient = app.patient_create(&staff, "Plantedfirst", "Plantedlast").await.id;
    for (hour, specialty_id) in [(9, Some(specialty)), (11, None), (13, None)] {
        let mut body = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(2, hour));
        (body.specialty_id, body.title) = (specialty_id, Some("planted title".to_owned()));
        granted(staff.appointment_create().body(body).send().await, 201);
    }
    let booked = granted(staff.calendar_search().body(month()).send().await, 200).entries;
    let change = |change: &str, id: i64| execute(&app, format!("update appointments set {change} where id = {id}"));
    change("status = 'confirmed', modality = 'video'", booked[1].id).await;
    change("status = 'held', holder = 'user:1', hold_expires_at = now() + interval '9 min'", booked[2].id).await;

    let token = subscribe(&staff).await.token;
    let calendar = read(&app, &token).await;
    assert_eq!((calendar.errors.len(), calendar.version.as_str()), (0, "2.0"), "{calendar:?}");
    assert_eq!(calendar.refresh_seconds, [900, 900]);
    assert_eq!(calendar.components, ["VEVENT", "VEVENT"], "a hold is nobody's appointment yet: {calendar:?}");
    for (entry, status, summary) in [
        (&booked[0], "TENTATIVE", format!("{name} (in person)")),
        (&booked[1], "CONFIRMED", "Appointment (video)".to_owned()),
    ] {
        let event = calendar.event(entry.uid);
        let appointment = granted(staff.appointment_get().appointment_id(entry.id).send().await, 200);
        assert_eq!((event.starts_at, event.ends_at), (entry.started_at, entry.ended_at), "the API and the feed agree");
        assert_eq!((event.status.as_str(), event.summary.as_str()), (status, summary.as_str()));
        assert_eq!(event.sequence, i64::from(appointment.sequence));
        assert_eq!(event.class, "PRIVATE");
        let second = |moment: DateTime<Utc>| moment.trunc_subsecs(0);
        assert_eq!(event.created_at, second(appointment.created_at));
        let changed = second(appointment.updated_at);
        assert_eq!((event.modified_at, event.stamped_at), (changed, changed));
    }
    let text = fetch(&app.url(), &token).await.body;
    assert!(!text.to_lowercase().contains("planted"), "{text}");
    assert_eq!(text, fetch(&app.url(), &token).await.body, "what has not changed is written the same");
}

#[tokio::test]
async fn changes_reach_who_subscribed() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let missed = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 11)).await;
    let token = subscribe(&staff).await.token;
    let first = read(&app, &token).await;
    let before = first.event(booked.uid);

    let to = in_days(3, 15);
    let body = RescheduleAppointment { specialist_id: None, started_at: to, version: None };
    let moved = granted(staff.appointment_reschedule().appointment_id(booked.id).body(body).send().await, 200);
    let calendar = read(&app, &token).await;
    let event = calendar.event(booked.uid);
    assert_eq!((event.starts_at, event.ends_at), (to, to + TimeDelta::hours(1)));
    assert_eq!((event.sequence, event.uid), (before.sequence + 1, before.uid));
    assert_eq!((event.modified_at, event.created_at), (moved.updated_at.trunc_subsecs(0), before.created_at));

    let cancel = CancelAppointment { reason: CancellationReason::PatientRequest };
    granted(staff.appointment_cancel().appointment_id(booked.id).body(cancel).send().await, 200);
    execute(&app, format!("update appointments set status = 'no_show' where id = {}", missed.id)).await;
    let calendar = read(&app, &token).await;
    for uid in [booked.uid, missed.uid] {
        assert_eq!(calendar.event(uid).status, "CANCELLED", "it stays, so that programs take it off");
    }
    assert!(calendar.event(booked.uid).sequence > before.sequence);
}

/// Returns a replacement that changes nothing.
#[tokio::test]
async fn the_sequence_counts_what_a_feed_shows() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let body = SpecialtyInput { description: None, name: "Knees".to_owned() };
    let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let id = booked.id;
    let update = async |body| granted(staff.appointment_update().appointment_id(id).body(body).send().await, 200);
    let reschedule = async |started_at| {
        let body = RescheduleAppointment { specialist_id: None, started_at, version: None };
        granted(staff.appointment_reschedule().appointment_id(id).body(body).send().await, 200)
    };
    let named = update(UpdateAppointment { title: Some("Knee".to_owned()), ..unchanged(&booked) }).await;
    assert_eq!(named.sequence, 0, "a feed shows no title");
    assert_eq!(reschedule(booked.started_at).await.sequence, 0, "it has not moved");
    let moved = reschedule(in_days(3, 9)).await;
    assert_eq!(moved.sequence, 1);
    let of_specialty = update(UpdateAppointment { specialty_id: Some(specialty), ..unchanged(&moved) }).await;
    assert_eq!(of_specialty.sequence, 2, "the specialty is the summary");
    assert_eq!(update(unchanged(&of_specialty)).await.sequence, 2);
    let confirmed = granted(staff.appointment_confirm().appointment_id(id).send().await, 200);
    assert_eq!(confirmed.sequence, 3, "it is tentative no more");
    let missed = granted(staff.appointment_no_show().appointment_id(id).send().await, 200);
    assert_eq!(missed.sequence, 4);
    let calendar = read(&app, &subscribe(&staff).await.token).await;
    let event = calendar.event(booked.uid);
    assert_eq!((event.status.as_str(), event.sequence), ("CANCELLED", 4));
}

#[tokio::test]
async fn who_had_an_appointment_is_shown_that_it_has_gone() {
    let app = CoreApp::start().await;
    let (admin, staff, specialist) = (app.admin(), app.staff(), app.home().specialist_id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let (own, other) = (app.patient_record().await.id, app.patient_create(&staff, "Ann", "Lee").await.id);
    let booked = app.appointment_create(&staff, specialist, own, in_days(2, 9)).await;
    let id = booked.id;
    let mut tokens = Vec::new();
    for actor in [&app.specialist(), &app.patient(), &staff] {
        tokens.push(subscribe(actor).await.token);
    }
    // Status and sequence in the feeds of the specialist, of the patient and of the desk.
    let shown = async || {
        let mut shown = Vec::new();
        for token in &tokens {
            let calendar = read(&app, token).await;
            assert_eq!(calendar.events.len(), 1, "{calendar:?}");
            let event = calendar.event(booked.uid);
            shown.push((event.status.clone(), event.sequence));
        }
        shown
    };
    let all = |said: [(&str, i64); 3]| said.map(|(status, sequence)| (status.to_owned(), sequence)).to_vec();
    let hand = async |specialist_id| {
        let body =
            RescheduleAppointment { specialist_id: Some(specialist_id), started_at: booked.started_at, version: None };
        granted(staff.appointment_reschedule().appointment_id(id).body(body).send().await, 200)
    };
    assert_eq!(shown().await, all([("TENTATIVE", 0), ("TENTATIVE", 0), ("TENTATIVE", 0)]));
    hand(colleague).await;
    assert_eq!(shown().await, all([("CANCELLED", 1), ("TENTATIVE", 1), ("TENTATIVE", 1)]));
    let back = hand(specialist).await;
    assert_eq!(shown().await, all([("TENTATIVE", 2), ("TENTATIVE", 2), ("TENTATIVE", 2)]));
    let body = UpdateAppointment { patient_id: other, ..unchanged(&back) };
    granted(staff.appointment_update().appointment_id(id).body(body).send().await, 200);
    assert_eq!(shown().await, all([("TENTATIVE", 3), ("CANCELLED", 3), ("TENTATIVE", 3)]));
    hand(colleague).await;
    assert_eq!(
        shown().await,
        all([("CANCELLED", 4), ("CANCELLED", 3), ("TENTATIVE", 4)]),
        "the latest departure counts"
    );
    granted(admin.appointment_delete().appointment_id(id).send().await, 204);
    assert_eq!(shown().await, all([("CANCELLED", 4), ("CANCELLED", 3), ("CANCELLED", 5)]));
    // A hold is in no feed, so its deletion is no departure.
    let departures = app.count("select count(*) from calendar_departures").await;
    app.works_always(specialist).await;
    let body = restartix_sdk::core::types::HoldAppointment {
        patient_id: Some(other),
        specialist_id: specialist,
        started_at: in_days(4, 9),
        template_id: None,
    };
    let held = granted(staff.appointment_hold_create().body(body).send().await, 201);
    granted(admin.appointment_delete().appointment_id(held.id).send().await, 204);
    assert_eq!(app.count("select count(*) from calendar_departures").await, departures);

    execute(&app, "update calendar_departures set departed_at = departed_at - interval '90 days'".to_owned()).await;
    for token in &tokens {
        assert_eq!(read(&app, token).await.events.len(), 0);
    }
    crate::waitlist::now(&app, "calendar_departures_expire").await;
    eventually("old departures are removed", CoreApp::PATIENCE, || async {
        app.count("select count(*) from calendar_departures").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_feed_shows_its_owners_appointments_near_today() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let (own, record) = (app.home().specialist_id, app.patient_record().await.id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let other = app.patient_create(&staff, "Bob", "Other").await.id;
    let mut booked = Vec::new();
    for (specialist, patient, hour) in [(own, other, 8), (own, record, 10), (colleague, record, 12)] {
        booked.push(app.appointment_create(&staff, specialist, patient, in_days(2, hour)).await.uid);
    }
    let now = Utc::now();
    for (days, within) in [(-91, false), (-89, true), (365, true), (367, false)] {
        let uid = app.appointment_create(&staff, colleague, other, now + TimeDelta::days(days)).await.uid;
        booked.extend(within.then_some(uid));
    }
    let away = app.other_admin();
    let stranger = app.patient_create(&away, "Eve", "Away").await.id;
    app.appointment_create(&away, app.away().specialist_id, stranger, in_days(2, 8)).await;

    for (actor, expected) in [
        (&staff, &booked[..]),
        (&admin, &booked[..]),
        (&app.specialist(), &booked[..2]),
        (&app.patient(), &booked[1..3]),
    ] {
        let calendar = read(&app, &subscribe(actor).await.token).await;
        let mut seen: Vec<_> = calendar.events.iter().map(|event| event.uid).collect();
        let mut expected = expected.to_vec();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{:?}", actor.person());
    }
}

#[tokio::test]
async fn a_revoked_link_is_refused_at_once_in_every_process() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let staff = app.staff();
    let first = subscribe(&staff).await;
    for base in [app.url(), second.url()] {
        assert_eq!(fetch(&base, &first.token).await.status, StatusCode::OK);
    }
    let gone = async |token: &str| {
        fetch(&app.url(), token).await.refusal(404, "calendar_feed_not_found");
        until("the other process refuses", Duration::from_secs(1), || async {
            (fetch(&second.url(), token).await.status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
    };

    // A new link revokes the previous one.
    let next = subscribe(&staff).await;
    assert_eq!((next.feed.id, next.feed.user_id), (first.feed.id, app.home().staff.user_id));
    gone(&first.token).await;
    assert_eq!(fetch(&second.url(), &next.token).await.status, StatusCode::OK);

    refused(app.admin().calendar_feed_delete().send().await, 404, "calendar_feed_not_found");
    assert_eq!(fetch(&app.url(), &next.token).await.status, StatusCode::OK, "nobody revokes another's");
    granted(staff.calendar_feed_delete().send().await, 204);
    gone(&next.token).await;
    granted(staff.calendar_feed_delete().send().await, 204);

    // Tokens that are invalid: of another kind, altered, or empty.
    let good = subscribe(&staff).await.token;
    for token in [format!("{good}x"), good.replace("rxcal_", "rxkey_"), "rxcal_".to_owned(), String::new()] {
        fetch(&app.url(), &token).await.refusal(404, "calendar_feed_not_found");
    }
    let nothing = reqwest::Client::builder().build().unwrap().get(format!("{}/v1/calendar.ics", app.url()));
    Answer::to(nothing).await.refusal(400, "invalid_parameter");
    // The token is accepted for the feed only.
    for path in ["/v1/me", "/v1/calendar?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"] {
        Answer::to(staff.holding(&good).request(Method::GET, path)).await.refusal(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_feed_ends_with_the_role_and_with_the_membership() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    let (user, home) = (app.home().staff.user_id, app.home().id);
    let token = subscribe(&staff).await.token;
    assert_eq!(read(&app, &token).await.events.len(), 1);

    // A change of the role revokes the link, even one by SQL.
    execute(&app, format!("update memberships set role = 'patient' where user_id = {user}")).await;
    fetch(&app.url(), &token).await.refusal(404, "calendar_feed_not_found");
    execute(&app, format!("update memberships set role = 'staff' where user_id = {user}")).await;
    fetch(&app.url(), &token).await.refusal(404, "calendar_feed_not_found");

    let token = subscribe(&staff).await.token;
    assert_eq!(read(&app, &token).await.events.len(), 1);
    granted(admin.member_delete().organization_id(home).user_id(user).send().await, 204);
    fetch(&app.url(), &token).await.refusal(404, "calendar_feed_not_found");
    // The link stays revoked when the person becomes a member again.
    app.membership_add(&app.home().staff, home, Role::Staff).await;
    let there = staff.in_organization(home);
    until("the member is back", CoreApp::PATIENCE, || async {
        let me = Answer::to(there.request(Method::GET, "/v1/me")).await;
        (me.status == StatusCode::OK).then_some(())
    })
    .await;
    refused(there.calendar_feed_delete().send().await, 404, "calendar_feed_not_found");
    fetch(&app.url(), &token).await.refusal(404, "calendar_feed_not_found");

    let token = subscribe(&app.patient()).await.token;
    let user = app.home().patient.user_id;
    execute(&app, format!("update users set deleted_at = now() where id = {user}")).await;
    until("the account is gone", CoreApp::PATIENCE, || async {
        (fetch(&app.url(), &token).await.status == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_people_give_links_to_their_own_calendars() {
    let app = CoreApp::start().await;
    let record = app.patient_record().await.id;
    let body = BeginImpersonation { minutes: None, reason: "Called on the phone".to_owned() };
    let begun = granted(app.admin().patient_impersonate().patient_id(record).body(body).send().await, 201);
    let acting = app.admin().holding(&begun.token);
    refused(acting.calendar_feed_create().send().await, 403, "impersonation_not_allowed");
    refused(acting.calendar_feed_delete().send().await, 403, "impersonation_not_allowed");
    let program = app.program(&[Scope::CalendarRead, Scope::CalendarWrite]).await;
    Answer::to(program.request(Method::POST, "/v1/calendar/feeds")).await.refusal(403, "permission_denied");
    Answer::to(program.request(Method::DELETE, "/v1/calendar/feeds")).await.refusal(403, "permission_denied");
    // A superadmin's link would show every appointment of an organization that it does not belong to.
    let superadmin = app.superadmin().in_organization(app.home().id);
    refused(superadmin.calendar_feed_create().send().await, 403, "permission_denied");
    assert_eq!(app.count("select count(*) from calendar_feeds").await, 0);
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let key = "0b7f6a3e-8c1d-4e55-9a2b-3f5d7c9e1a20";
    let create = || {
        let request = staff.request(Method::POST, "/v1/calendar/feeds");
        Answer::to(request.header("idempotency-key", key))
    };
    let first = create().await.json(201);
    let refusal = create().await.refusal(409, "secret_already_shown");
    assert_eq!(refusal.details["id"], first["feed"]["id"]);
    let token = first["token"].as_str().unwrap();
    let random = token.strip_prefix("rxcal_").unwrap();
    assert_eq!(fetch(&app.url(), token).await.status, StatusCode::OK);
    let dump = app.database.dump();
    assert!(!String::from_utf8_lossy(&dump).contains(random));
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select action, entity_id from audit_log
             where entity_type = 'calendar_feed' and outcome = 'succeeded' order by id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(rows, [("created".to_owned(), first["feed"]["id"].to_string())]);
}

#[tokio::test]
async fn tokens_appear_in_no_log_metric_or_audit_row() {
    let clinic = Clinic::start_with(CoreApp::builder().env("LOG_LEVEL", "trace")).await;
    let app = &clinic.core;
    let staff = app.staff();
    let good = subscribe(&staff).await.token;
    let revoked = subscribe(&app.admin()).await.token;
    granted(app.admin().calendar_feed_delete().send().await, 204);
    let http = reqwest::Client::builder().build().unwrap();
    for token in [&good, &revoked] {
        fetch(&app.url(), token).await;
        for (method, path) in [
            (Method::HEAD, format!("/v1/calendar.ics?token={token}")),
            (Method::POST, format!("/v1/calendar.ics?token={token}")),
            (Method::GET, format!("/v1/calendar.ics/?token={token}")),
            (Method::GET, format!("/v1/calendar.ics?{token}")),
            (Method::GET, format!("/v1/calendar.ics?token={token}&token={token}")),
            (Method::GET, format!("/v1/calendar.ics?token={token}&more={token}")),
            (Method::GET, format!("/v1/{token}")),
            (Method::GET, format!("/.env?token={token}")),
        ] {
            let answer = Answer::to(http.request(method, format!("{}{path}", app.url()))).await;
            assert!(!answer.status.is_server_error() && !answer.body.contains(token.as_str()), "{}", answer.body);
        }
        // A database error must not log the token either.
        execute(app, "alter table appointments rename to appointments_away".to_owned()).await;
        let failed = fetch(&app.url(), token).await;
        execute(app, "alter table appointments_away rename to appointments".to_owned()).await;
        assert_eq!(failed.status.is_server_error(), *token == good, "{}", failed.body);
    }
    until("the audit rows have gone to Telemetry", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from audit_outbox").await == 0).then_some(())
    })
    .await;
    let bearer = &app.server.environment()["METRICS_TOKEN"];
    let metrics = Answer::to(http.get(format!("{}/metrics", app.url())).bearer_auth(bearer)).await;
    assert!(metrics.body.contains("calendar_feed_get"), "{}", metrics.body);
    let log = app.server.log();
    assert!(log.contains("calendar_feed_get"), "{log}");
    let dump = String::from_utf8_lossy(&app.database.dump()).into_owned();
    for token in [&good, &revoked] {
        let random = token.strip_prefix("rxcal_").unwrap();
        let places = [
            ("log", &log),
            ("log of Telemetry", &clinic.telemetry.server.log()),
            ("metrics", &metrics.body),
            ("database", &dump),
        ]
        .map(|(place, text)| (place, text.contains(random)));
        assert!(places.iter().all(|(_, found)| !found), "{places:?}");
    }
}

#[tokio::test]
async fn guesses_are_counted_as_failures_and_good_links_still_work() {
    let app = CoreApp::builder().env("RATE_LIMIT_SCALE", "1").start().await;
    let token = subscribe(&app.staff()).await.token;
    let limited = until("guesses are refused", CoreApp::PATIENCE, || async {
        let guess = fetch(&app.url(), "rxcal_a-guess").await;
        (guess.status != StatusCode::NOT_FOUND).then_some(guess)
    });
    let (limited, _) = limited.await;
    let refusal = limited.refusal(429, "rate_limited");
    assert_ne!(refusal.header("retry-after"), "");
    assert_eq!(fetch(&app.url(), &token).await.status, StatusCode::OK);
}
