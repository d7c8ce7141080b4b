//! `/v1/privacy`.

use std::time::Duration;

use restartix_sdk::telemetry::types::ConsentState;
use sqlx::Row;
use test_support::{TelemetryApp, Throwaway, eventually, granted};

use crate::support::{batch, consenting, decision, dropped, event, patient, sibling};

#[tokio::test]
async fn nothing_is_granted_until_somebody_decides() {
    let app = TelemetryApp::start().await;
    let consent = granted(app.person(&patient(1, 7)).consent_get().send().await, 200);
    let never = ConsentState { granted: false, version: None, text_version: None, source: None, recorded_at: None };
    assert_eq!([consent.analytics, consent.media, consent.pose], [never.clone(), never.clone(), never]);
}

#[tokio::test]
async fn a_decision_replaces_the_last_and_keeps_it() {
    let app = TelemetryApp::start().await;
    let person = app.person(&patient(1, 7));
    let first = granted(person.consent_put().body(decision(true, true, false)).send().await, 200);
    assert_eq!((first.analytics.granted, first.media.granted, first.pose.granted), (true, true, false));
    assert_eq!((first.analytics.version, first.pose.version), (Some(1), Some(1)));
    let second = granted(person.consent_put().body(decision(false, true, true)).send().await, 200);
    assert_eq!((second.analytics.granted, second.pose.granted, second.pose.version), (false, true, Some(2)));
    assert_eq!(granted(person.consent_get().send().await, 200), second);
    let mut owner = app.database.owner().await;
    let rows = sqlx::query("select version, purpose, granted from privacy.consents where subject_id = 7 order by 1, 2");
    let rows = rows.fetch_all(&mut owner).await.expect("the owner may read");
    let kept: Vec<(i64, String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let row = |version, purpose: &str, granted| (version, purpose.to_owned(), granted);
    let expected = [
        row(1, "analytics", true),
        row(1, "media", true),
        row(1, "pose", false),
        row(2, "analytics", false),
        row(2, "media", true),
        row(2, "pose", true),
    ];
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn decisions_of_one_moment_get_numbers_of_their_own() {
    let app = TelemetryApp::start().await;
    let decisions = (0..12).map(|turn| {
        let person = app.person(&patient(1, 7));
        tokio::spawn(async move {
            let update = decision(turn % 2 == 0, true, true);
            granted(person.consent_put().body(update).send().await, 200).analytics.version
        })
    });
    let mut versions = Vec::new();
    for decision in decisions.collect::<Vec<_>>() {
        versions.push(decision.await.expect("the task ends"));
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_decision_is_the_persons_own_in_one_organization() {
    let app = TelemetryApp::start().await;
    consenting(&app, 1, 7).await;
    for other in [patient(1, 8), patient(2, 7)] {
        let consent = granted(app.person(&other).consent_get().send().await, 200);
        assert!(!consent.analytics.granted, "{other:?} never decided");
        let receipt = granted(app.person(&other).analytics_track().body(batch(vec![event("seen")])).send().await, 202);
        assert_eq!(dropped(&receipt), [("no_consent", 1)]);
    }
}

#[tokio::test]
async fn a_decision_counts_at_every_instance() {
    let app = TelemetryApp::start().await;
    let other = sibling(&app).await;
    let (here, there) = (app.person(&patient(1, 7)), other.person(&patient(1, 7)));
    let track =
        || async { granted(there.analytics_track().body(batch(vec![event("seen")])).send().await, 202).stored == 1 };
    assert!(!track().await, "there is no consent yet");
    granted(here.consent_put().body(decision(true, true, true)).send().await, 200);
    assert!(track().await, "consent given at another instance counts from the next request on");
    assert!(track().await);
    granted(here.consent_put().body(decision(false, true, true)).send().await, 200);
    // Far below the 30 seconds that an entry may live, so it must have come through Redis.
    eventually("the withdrawal is heard of", Duration::from_secs(20), || async { !track().await }).await;
}

#[tokio::test]
async fn without_redis_decisions_count_all_the_same() {
    let mut valkey = Throwaway::valkey().await;
    let app = TelemetryApp::builder().env("REDIS_URL", valkey.url()).start().await;
    let other = sibling(&app).await;
    let (here, there) = (consenting(&app, 1, 7).await, other.person(&patient(1, 7)));
    let stored = |client: restartix_sdk::telemetry::Client| async move {
        granted(client.analytics_track().body(batch(vec![event("seen")])).send().await, 202).stored
    };
    assert_eq!(stored(there.clone()).await, 1);
    valkey.kill();
    eventually("the other instance notices that Redis is gone", Duration::from_secs(20), || async {
        other.server.log().contains("no messages are received from Redis")
    })
    .await;
    granted(here.consent_put().body(decision(false, false, false)).send().await, 200);
    assert_eq!(stored(there).await, 0, "nothing is remembered while nothing is heard");
    assert_eq!(stored(here).await, 0);
    eventually("Redis is said to be down, and not to be needed", Duration::from_secs(20), || async {
        let ready = granted(other.admin(1).ready_get().send().await, 200);
        let redis = ready.dependencies.iter().find(|dependency| dependency.name == "redis").expect("Redis is listed");
        !redis.up && !redis.required
    })
    .await;
}
