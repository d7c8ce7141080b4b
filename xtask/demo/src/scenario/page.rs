//! Steps of the patient's page: it reads the patient's record from Core and sends everything else to Telemetry.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use restartix_sdk::telemetry::types::{AnalyticsBatch, Consent, ConsentUpdate, IngestReceipt, PurposeDecisions};
use uuid::Uuid;

use super::cast::Cast;
use super::trail::{Trail, Who};
use super::{Run, payload};
use crate::call::answer;

/// The text that the patient is shown.
const CONSENT_TEXT: &str = "demo-1";

/// The page of the patient who has a login.
pub(super) struct Page<'a> {
    cast: &'a Cast,
    /// Time at which the page was opened.
    pub(super) opened_at: DateTime<Utc>,
    /// The exercise that media events and pose frames belong to.
    session_id: Uuid,
    /// Tracked before there was consent.
    pub(super) unconsented: String,
    /// Tracked after it.
    pub(super) viewed: String,
    /// Tracked after it, twice.
    pub(super) finished: String,
}

impl<'a> Page<'a> {
    /// A page opened just now.
    pub(super) fn new(run: &Run, cast: &'a Cast) -> Self {
        Self {
            cast,
            opened_at: Utc::now(),
            session_id: Uuid::now_v7(),
            unconsented: run.key("demo_page_opened"),
            viewed: run.key("demo_exercise_viewed"),
            finished: run.key("demo_exercise_finished"),
        }
    }

    /// The patient sees itself, and no notes.
    pub(super) async fn own_record(&self, trail: &mut Trail) -> Result<()> {
        let me = answer("me_get", self.cast.patient.me_get().send().await).await?;
        let id = me.patient_id.context("me_get: expected a patient id, got none")?;
        let read = self.cast.patient.patient_get().patient_id(id).send().await;
        let read = answer("patient_get", read).await?;
        trail.expect(Who::Patient, "read", "patient", id, &read)?;
        let got = (read.user_id, read.clinical_notes.as_deref());
        ensure!(
            got == (Some(me.id), None),
            "patient_get: expected the record of user {} without notes, got user and notes {got:?}",
            me.id
        );
        Ok(())
    }

    /// Takes back what an earlier run agreed to.
    pub(super) async fn consent_withdraw(&self) -> Result<()> {
        let consent = self.decide(false).await?;
        let granted = [consent.analytics.granted, consent.media.granted, consent.pose.granted];
        ensure!(granted == [false; 3], "consent_put: expected nothing granted, got {consent:?}");
        Ok(())
    }

    /// Consents to everything, and checks that a second read returns the same.
    pub(super) async fn consent_give(&self) -> Result<()> {
        let consent = self.decide(true).await?;
        for state in [&consent.analytics, &consent.media, &consent.pose] {
            let complete = state.version.is_some() && state.recorded_at.is_some();
            ensure!(
                state.granted && complete && state.text_version.as_deref() == Some(CONSENT_TEXT),
                "consent_put: expected a granted decision on text {CONSENT_TEXT}, got {state:?}"
            );
        }
        let told = self.cast.patient_telemetry.consent_get().send().await;
        let told = answer("consent_get", told).await?;
        ensure!(*told == consent, "consent_get: expected {consent:?}, got {:?}", *told);
        Ok(())
    }

    async fn decide(&self, yes: bool) -> Result<Consent> {
        let body = ConsentUpdate {
            purposes: PurposeDecisions { analytics: yes, media: yes, pose: yes },
            text_version: CONSENT_TEXT.to_owned(),
            source: "settings".to_owned(),
        };
        let decided = self.cast.patient_telemetry.consent_put().body(body).send().await;
        Ok(answer("consent_put", decided).await?.into_inner())
    }

    /// Without consent nothing is stored, of no kind.
    pub(super) async fn track_unconsented(&self) -> Result<()> {
        let page = &self.cast.patient_telemetry;
        let events = vec![payload::event(&self.unconsented)];
        let body = AnalyticsBatch { events, sent_at: Some(Utc::now()) };
        let receipt = page.analytics_track().body(body).send().await;
        dropped("analytics_track", &*answer("analytics_track", receipt).await?, 1)?;
        let body = payload::media(Uuid::now_v7());
        let sent = body.events.len();
        let receipt = page.media_event_track().body(body).send().await;
        dropped("media_event_track", &*answer("media_event_track", receipt).await?, sent)?;
        let body = payload::pose(Uuid::now_v7());
        let sent = body.frames.len();
        let receipt = page.pose_frame_track().body(body).send().await;
        dropped("pose_frame_track", &*answer("pose_frame_track", receipt).await?, sent)
    }

    /// Two different events, the last one sent again, as after a lost answer.
    pub(super) async fn track(&self) -> Result<()> {
        let finished = payload::event(&self.finished);
        let batch =
            AnalyticsBatch { events: vec![payload::event(&self.viewed), finished.clone()], sent_at: Some(Utc::now()) };
        self.track_batch(batch).await?;
        self.track_batch(AnalyticsBatch { events: vec![finished], sent_at: Some(Utc::now()) }).await
    }

    async fn track_batch(&self, body: AnalyticsBatch) -> Result<()> {
        let sent = body.events.len();
        let receipt = self.cast.patient_telemetry.analytics_track().body(body).send().await;
        stored("analytics_track", &*answer("analytics_track", receipt).await?, sent)
    }

    /// A guided exercise, from its start to its end.
    pub(super) async fn media(&self) -> Result<()> {
        let body = payload::media(self.session_id);
        let sent = body.events.len();
        let receipt = self.cast.patient_telemetry.media_event_track().body(body).send().await;
        stored("media_event_track", &*answer("media_event_track", receipt).await?, sent)
    }

    /// Sends the pose data of the session.
    pub(super) async fn pose(&self) -> Result<()> {
        let body = payload::pose(self.session_id);
        let sent = body.frames.len();
        let receipt = self.cast.patient_telemetry.pose_frame_track().body(body).send().await;
        stored("pose_frame_track", &*answer("pose_frame_track", receipt).await?, sent)
    }
}

fn stored(what: &str, receipt: &IngestReceipt, sent: usize) -> Result<()> {
    let all = usize::try_from(receipt.stored) == Ok(sent) && receipt.dropped.is_empty();
    ensure!(all, "{what}: expected {sent} stored and none dropped, got {receipt:?}");
    Ok(())
}

fn dropped(what: &str, receipt: &IngestReceipt, sent: usize) -> Result<()> {
    let reasons: Vec<_> = receipt.dropped.iter().map(|d| (d.reason.as_str(), usize::try_from(d.count))).collect();
    ensure!(
        receipt.stored == 0 && reasons == [("no_consent", Ok(sent))],
        "{what}: expected 0 stored and {sent} dropped for no_consent, got {receipt:?}"
    );
    Ok(())
}
