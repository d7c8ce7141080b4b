//! `/v1/analytics`.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::telemetry::types::{AnalyticsBatch, NewAnalyticsEvent, PropertyValue};
use serde_json::json;
use test_support::{Answer, TelemetryApp, granted, refused};
use uuid::Uuid;

use crate::support::{batch, consenting, decision, dropped, event, millis, patient};

#[tokio::test]
async fn without_consent_nothing_is_stored() {
    let app = TelemetryApp::start().await;
    let person = app.person(&patient(1, 7));
    let receipt = granted(person.analytics_track().body(batch(vec![event("seen"), event("seen")])).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (0, vec![("no_consent", 2)]));
    // Consent to another purpose does not count.
    granted(person.consent_put().body(decision(false, true, true)).send().await, 200);
    let receipt = granted(person.analytics_track().body(batch(vec![event("seen")])).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (0, vec![("no_consent", 1)]));
    assert_eq!(app.clickhouse.count("select count() from analytics_events").await, 0);
}

#[tokio::test]
async fn who_asks_not_to_be_tracked_is_not() {
    let app = TelemetryApp::start().await;
    consenting(&app, 1, 7).await;
    for header in ["Sec-GPC", "DNT"] {
        let request = app.request(Method::POST, "/v1/analytics/track").bearer_auth(patient(1, 7).token());
        let answer = Answer::to(request.header(header, "1").json(&batch(vec![event("seen")]))).await.json(202);
        assert_eq!(answer, json!({ "stored": 0, "dropped": [{ "reason": "opted_out", "count": 1 }], "faults": [] }));
    }
    assert_eq!(app.clickhouse.count("select count() from analytics_events").await, 0);
}

#[tokio::test]
async fn an_event_sent_twice_counts_once() {
    let app = TelemetryApp::start().await;
    let (ana, bob) = (consenting(&app, 1, 7).await, consenting(&app, 1, 8).await);
    let events = vec![event("booking_started"), event("booking_started"), event("booking_done")];
    for _ in 0..3 {
        let receipt = granted(ana.analytics_track().body(batch(events.clone())).send().await, 202);
        assert_eq!((receipt.stored, receipt.dropped.len()), (3, 0));
    }
    granted(bob.analytics_track().body(batch(vec![event("booking_started")])).send().await, 202);
    let summary = granted(app.admin(1).analytics_summary_get().send().await, 200);
    assert_eq!((summary.events, summary.unique_actors), (4, 2));
    let by_event: Vec<(&str, i64, i64)> =
        summary.by_event.iter().map(|event| (event.name.as_str(), event.events, event.unique_actors)).collect();
    assert_eq!(by_event, [("booking_started", 3, 2), ("booking_done", 1, 1)]);
}

#[tokio::test]
async fn a_summary_covers_its_own_organization_and_stretch() {
    let app = TelemetryApp::start().await;
    let (ours, theirs) = (consenting(&app, 1, 7).await, consenting(&app, 2, 7).await);
    let now = Utc::now();
    let old = NewAnalyticsEvent { occurred_at: now - TimeDelta::days(3), ..event("old") };
    granted(ours.analytics_track().body(batch(vec![event("new"), old])).send().await, 202);
    granted(theirs.analytics_track().body(batch(vec![event("theirs")])).send().await, 202);
    let admin = app.admin(1);
    let names = |summary: restartix_sdk::telemetry::types::AnalyticsSummary| -> Vec<String> {
        summary.by_event.into_iter().map(|event| event.name).collect()
    };
    assert_eq!(names(granted(admin.analytics_summary_get().send().await, 200)), ["new", "old"]);
    let day = admin.analytics_summary_get().from(now - TimeDelta::days(1)).send().await;
    assert_eq!(names(granted(day, 200)), ["new"]);
    let before = admin.analytics_summary_get().from(now - TimeDelta::days(9)).to(now - TimeDelta::days(1)).send().await;
    assert_eq!(names(granted(before, 200)), ["old"]);
    let reverse = admin.analytics_summary_get().from(now).to(now - TimeDelta::days(1)).send().await;
    refused(reverse, 400, "invalid_range");
}

#[tokio::test]
async fn a_malformed_event_does_not_block_its_batch() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let long = PropertyValue::String("x".repeat(513));
    let malformed = NewAnalyticsEvent { properties: HashMap::from([("a".to_owned(), long)]), ..event("bad") };
    let receipt = granted(person.analytics_track().body(batch(vec![event("good"), malformed])).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (1, vec![("malformed", 1)]));
    assert_eq!((receipt.faults[0].index, receipt.faults[0].field.as_str()), (1, "properties"));
    assert_eq!(app.clickhouse.query("select name from analytics_events format TSV").await.trim(), "good");
}

#[tokio::test]
async fn texts_have_one_form() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let with = |page: &str, step: &str| {
        let properties = HashMap::from([("step".to_owned(), PropertyValue::String(step.to_owned()))]);
        batch(vec![NewAnalyticsEvent { page: Some(page.to_owned()), properties, ..event("seen") }])
    };
    let sent = with(" /ma\u{308}nner ", " jose\u{301}\r\nana ");
    assert_eq!(granted(person.analytics_track().body(sent).send().await, 202).stored, 1);
    for text in ["a\u{b}b", "a\u{9f}b", "a\u{202e}b", "\u{200b}"] {
        for (sent, pointer) in
            [(with(text, "time"), "/events/0/page"), (with("/book", text), "/events/0/properties/step")]
        {
            let request = app.request(Method::POST, "/v1/analytics/track").bearer_auth(patient(1, 7).token());
            let refusal = Answer::to(request.json(&sent)).await.refusal(422, "validation_failed");
            assert!(refusal.fields().contains(&(pointer, "format")), "{text:?}: {refusal:?}");
        }
    }
    let rows = app.clickhouse.query("select page, properties['step'] from analytics_events format TSV").await;
    assert_eq!(rows.trim_end(), "/männer\tjosé\\nana");
}

#[tokio::test]
async fn a_row_holds_what_was_sent_and_nobody_by_name() {
    let app = TelemetryApp::builder().env("TRUSTED_PROXIES", "127.0.0.0/8").start().await;
    consenting(&app, 1, 770_077).await;
    let sent = NewAnalyticsEvent {
        page: Some("/book?email=ana@example.org".to_owned()),
        properties: HashMap::from([
            ("step".to_owned(), PropertyValue::String("time".to_owned())),
            ("slots".to_owned(), PropertyValue::Number(12.5)),
            ("returning".to_owned(), PropertyValue::Boolean(true)),
        ]),
        ..event("booking_started")
    };
    let request = app
        .request(Method::POST, "/v1/analytics/track")
        .bearer_auth(patient(1, 770_077).token())
        .header("x-forwarded-for", "198.51.100.1, 203.0.113.77")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
    Answer::to(request.json(&batch(vec![sent.clone()]))).await.json(202);
    let row = app
        .clickhouse
        .query(
            "select organization_id, event_id, name, toUnixTimestamp64Milli(occurred_at), role, page, properties['step'],
                 properties['returning'], numbers['slots'], network, agent, os, device
             from analytics_events format TSV",
        )
        .await;
    let millis = sent.occurred_at.timestamp_millis();
    let expected = format!(
        "1\t{}\tbooking_started\t{millis}\tpatient\t/book\ttime\ttrue\t12.5\t203.0.113.0/24\tFirefox\tLinux\tpc",
        sent.event_id
    );
    assert_eq!(row.trim(), expected);
    let whole = app.clickhouse.query("select * from analytics_events format JSONEachRow").await;
    for secret in ["770077", "203.0.113.77", "ana@example.org", "Mozilla"] {
        assert!(!whole.contains(secret), "{secret} is stored in the clear: {whole}");
    }
    let distinct = "select uniqExact(actor) + uniqExact(ip_hash) from analytics_events where actor != ip_hash";
    assert_eq!(app.clickhouse.count(distinct).await, 2, "actor and address are pseudonyms of their own");
}

#[tokio::test]
async fn a_wrong_clock_is_set_right_and_far_times_are_clamped() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let now = millis(Utc::now());
    // The page's clock is a day slow: the event occurred a minute before the batch was sent, so it is a minute
    // old.
    let slow = now - TimeDelta::days(1);
    let event_of = |name: &str, occurred_at| NewAnalyticsEvent { occurred_at, ..event(name) };
    let events = vec![event_of("minute_ago", slow - TimeDelta::minutes(1))];
    granted(person.analytics_track().body(AnalyticsBatch { sent_at: Some(slow), events }).send().await, 202);
    let far = vec![event_of("past", now - TimeDelta::days(4_000)), event_of("future", now + TimeDelta::days(4_000))];
    granted(person.analytics_track().body(batch(far)).send().await, 202);
    let offsets =
        "select name, round((toUnixTimestamp64Milli(occurred_at) - toUnixTimestamp64Milli(received_at)) / 60000)
                   from analytics_events order by name format TSV";
    assert_eq!(app.clickhouse.query(offsets).await, "future\t1\nminute_ago\t-1\npast\t-43200\n");
}

#[tokio::test]
async fn identity_never_comes_from_the_body() {
    let app = TelemetryApp::start().await;
    consenting(&app, 1, 7).await;
    let body = json!({ "events": [{
        "event_id": Uuid::now_v7(), "name": "seen", "occurred_at": Utc::now(), "organization_id": 2,
    }] });
    let request = app.request(Method::POST, "/v1/analytics/track").bearer_auth(patient(1, 7).token());
    Answer::to(request.json(&body)).await.refusal(400, "unknown_field");
}
