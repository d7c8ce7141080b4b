//! Helpers that several rooms of tests share.

use chrono::{DateTime, Utc};
use restartix_sdk::telemetry::{Client, types};
use test_support::{TelemetryApp, TelemetryPerson, granted};
use uuid::Uuid;

/// Returns a patient of an organization.
pub(crate) fn patient(organization: i64, user: i64) -> TelemetryPerson {
    TelemetryPerson { user, organization: Some(organization), role: "patient", patient: Some(user) }
}

/// Returns the client of a patient who has consented to every purpose.
pub(crate) async fn consenting(app: &TelemetryApp, organization: i64, user: i64) -> Client {
    let client = app.person(&patient(organization, user));
    granted(client.consent_put().body(decision(true, true, true)).send().await, 200);
    client
}

/// Returns a decision on all purposes.
pub(crate) fn decision(analytics: bool, media: bool, pose: bool) -> types::ConsentUpdate {
    types::ConsentUpdate {
        purposes: types::PurposeDecisions { analytics, media, pose },
        text_version: "2026-11".to_owned(),
        source: "settings".to_owned(),
    }
}

/// Returns an analytics event that occurred now.
pub(crate) fn event(name: &str) -> types::NewAnalyticsEvent {
    types::NewAnalyticsEvent {
        event_id: Uuid::now_v7(),
        name: name.to_owned(),
        occurred_at: Utc::now(),
        page: None,
        properties: std::collections::HashMap::new(),
    }
}

/// Returns a batch of events.
pub(crate) fn batch(events: Vec<types::NewAnalyticsEvent>) -> types::AnalyticsBatch {
    types::AnalyticsBatch { sent_at: None, events }
}

/// Returns the moment in the precision of the databases; it must be of today.
pub(crate) fn millis(moment: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(moment.timestamp_millis()).expect("today can be represented")
}

/// Returns the numbers of dropped events of a batch, by reason.
pub(crate) fn dropped(receipt: &types::IngestReceipt) -> Vec<(&str, i64)> {
    receipt.dropped.iter().map(|dropped| (dropped.reason.as_str(), dropped.count)).collect()
}

/// Starts a second process on the stores of the first.
pub(crate) async fn sibling(app: &TelemetryApp) -> TelemetryApp {
    let mut builder = TelemetryApp::builder();
    for name in ["TELEMETRY_DATABASE_URL", "TELEMETRY_DATABASE_APP_URL", "CLICKHOUSE_URL", "REDIS_URL"] {
        builder = builder.env(name, &app.server.environment()[name]);
    }
    builder.start().await
}
