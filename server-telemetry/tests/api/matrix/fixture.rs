//! A request for each operation that is answered 2xx to every permitted caller.

use std::{cell::Cell, time::Duration};

use chrono::Utc;
use restartix_sdk::telemetry::types::{ErasureStatus, NewExclusion};
use serde_json::{Value, json};
use test_support::{Fixture, TelemetryApp, eventually, granted};
use uuid::Uuid;

use super::asker::{ASKERS, HOME, PATIENT, person};
use crate::{audit, support};

/// Far longer than an erasure takes.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// Organization with data for every operation.
pub(super) struct World {
    pub(super) app: TelemetryApp,
    /// `true` if the patient may be excluded.
    excluded: Cell<bool>,
}

impl World {
    /// Lets everybody of the organization consent to every purpose.
    pub(super) async fn new(app: TelemetryApp) -> Self {
        for name in ASKERS.iter().filter(|name| !["anonymous", "platform", "service", "session"].contains(*name)) {
            let agreed = app.person(&person(name)).consent_put().body(support::decision(true, true, true)).send().await;
            granted(agreed, 200);
        }
        Self { app, excluded: Cell::new(false) }
    }

    /// Returns a request for the operation, about existing data.
    pub(super) async fn fixture(&self, operation: &str) -> Fixture {
        let none = Fixture::default;
        match operation {
            "analytics_summary_get"
            | "audit_head_list"
            | "audit_log_list"
            | "audit_verify"
            | "consent_get"
            | "exclusion_list"
            | "security_event_list" => none(),
            "analytics_track" | "media_event_track" | "pose_frame_track" => {
                self.lift().await;
                none().body(batch(operation))
            }
            "access_revocation_create" => {
                none().body(json!({ "user_id": 990_003, "not_before": Utc::now().to_rfc3339() }))
            }
            "audit_ingest" => none().body(value(&audit::batch(vec![audit::event(HOME)]))),
            "audit_log_get" => {
                let event = audit::event(HOME);
                let id = event.id;
                audit::ingest(&self.app, vec![event]).await;
                none().with("audit_id", &id)
            }
            "consent_put" => none().body(value(&support::decision(true, true, true))),
            "exclusion_create" => {
                self.excluded.set(true);
                none().body(json!({ "subject_id": PATIENT }))
            }
            "exclusion_delete" => {
                self.exclude().await;
                none().with("subject_id", &PATIENT)
            }
            "organization_settings_put" => {
                none().with("organization_id", &990_004).body(json!({ "revision": 1, "timezone": "Europe/Berlin" }))
            }
            "privacy_subject_erase" => none().with("subject_id", &990_001).with("request_id", &Uuid::now_v7()),
            "privacy_subject_consent_put" => none().with("subject_id", &990_005).body(json!({
                "organization_id": HOME,
                "source": "onboarding",
                "decisions": [{
                    "id": Uuid::now_v7(), "purpose": "media", "granted": true, "text_version": "2026-11",
                    "decided_at": Utc::now().to_rfc3339(),
                }],
            })),
            "privacy_subject_export" => none().with("subject_id", &PATIENT),
            "privacy_subject_join" => {
                none().with("subject_id", &990_006).body(json!({ "organization_id": HOME, "user_id": 990_005 }))
            }
            "privacy_job_get" => none().with("job_id", &self.planned().await),
            _ => panic!("add a fixture for {operation} to matrix/fixture.rs"),
        }
    }

    /// Excludes the patient, at the request of the clinic and of the patient.
    async fn exclude(&self) {
        self.excluded.set(true);
        for name in ["admin", "patient"] {
            let body = NewExclusion { subject_id: Some(PATIENT) };
            granted(self.app.person(&person(name)).exclusion_create().body(body).send().await, 201);
        }
    }

    /// Lifts both exclusions of the patient.
    async fn lift(&self) {
        if !self.excluded.get() {
            return;
        }
        self.exclude().await;
        for name in ["admin", "patient"] {
            granted(self.app.person(&person(name)).exclusion_delete().subject_id(PATIENT).send().await, 204);
        }
        self.excluded.set(false);
    }

    /// Returns the job of a dry run, once its plan is made.
    async fn planned(&self) -> Uuid {
        let (service, id) = (self.app.service(), Uuid::now_v7());
        let asked = service.privacy_subject_erase().subject_id(990_002).request_id(id).dry_run(true).send().await;
        granted(asked, 202);
        eventually("the plan is made", SOON, || async {
            granted(service.privacy_job_get().job_id(id).send().await, 200).status == ErasureStatus::Finished
        })
        .await;
        id
    }
}

/// Returns a batch with one event that occurs now.
fn batch(operation: &str) -> Value {
    let now = Utc::now().to_rfc3339();
    match operation {
        "media_event_track" => json!({
            "session_id": Uuid::now_v7(),
            "events": [{ "kind": "started", "sequence": 0, "occurred_at": now, "session_kind": "video_call" }],
        }),
        "pose_frame_track" => json!({
            "session_id": Uuid::now_v7(),
            "started_at": now,
            "frames": [{ "offset_ms": 0, "landmarks": vec![[0.5, 0.25, -0.125, 1.0]; 33] }],
        }),
        _ => value(&support::batch(vec![support::event("seen")])),
    }
}

fn value(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).expect("a body is JSON")
}
