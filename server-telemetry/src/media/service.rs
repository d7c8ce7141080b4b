//! Service for media events.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    fold::{Fold, fault},
    model::{BandwidthRow, MediaBatch, MediaEvent, MediaEventKind, SessionRow},
};
use crate::{
    compliance::{Client, Compliance, Pseudonym, Traces},
    identity::Member,
    ingest::{Clock, EventFault, IngestReceipt, Tally},
    privacy::{ConsentService, Purpose},
    storage::{StoreError, clickhouse::Writer},
};

/// Stores sessions of consenting people.
pub(crate) struct MediaService {
    pub consents: Arc<ConsentService>,
    pub compliance: Arc<Compliance>,
    pub sessions: Writer<SessionRow>,
    pub samples: Writer<BandwidthRow>,
}

/// Session of the events, and the person and time that they come from.
struct Origin<'a> {
    member: &'a Member,
    session_id: Uuid,
    actor: Pseudonym,
    received_at: DateTime<Utc>,
}

impl MediaService {
    /// Folds the events of a batch into a row, and returns once the row and the samples are stored.
    pub(crate) async fn track(
        &self,
        member: &Member,
        client: &Client,
        batch: MediaBatch,
    ) -> Result<IngestReceipt, StoreError> {
        let purpose = Purpose::Media;
        if let Some(reason) = self.consents.refusal(member, purpose).await? {
            return Ok(Tally::all_dropped(purpose.as_str(), batch.events.len(), reason));
        }
        let clock = Clock::now(batch.sent_at);
        let origin = Origin {
            member,
            session_id: batch.session_id,
            actor: self.compliance.actor(member.organization_id, member.user_id),
            received_at: clock.received_at,
        };
        let (mut tally, mut fold, mut samples) = (Tally::default(), Fold::default(), Vec::new());
        for (index, event) in batch.events.iter().enumerate() {
            if let Some((field, message)) = fault(event) {
                tally.malformed(EventFault::new(index, field, message));
                continue;
            }
            let occurred_at = clock.place(event.occurred_at.get());
            fold.add(event, occurred_at);
            tally.stored(1);
            if event.kind == MediaEventKind::Bandwidth {
                samples.push(sample(event, occurred_at, &origin));
            }
        }
        let session = session(fold, &origin, self.compliance.traces(client));
        // If only one of the two writes succeeds, the batch is sent again, and both end up correct.
        tokio::try_join!(self.sessions.write(session.into_iter().collect()), self.samples.write(samples))?;
        Ok(tally.receipt(purpose.as_str()))
    }
}

/// Returns the row of a fold; `None` if no event was added.
fn session(fold: Fold, origin: &Origin<'_>, traces: Traces) -> Option<SessionRow> {
    let (first_seen_at, last_seen_at) = (fold.first_seen_at?, fold.last_seen_at?);
    Some(SessionRow {
        organization_id: origin.member.organization_id,
        session_id: origin.session_id,
        actor: origin.actor,
        day: day(origin.received_at.naive_utc().date()),
        role: origin.member.role.as_str(),
        kind: fold.kind,
        appointment_id: fold.appointment_id,
        started_at: fold.started_at,
        first_seen_at,
        last_seen_at,
        ended_at: fold.ended_at,
        end_reason: fold.end_reason,
        received_at: origin.received_at,
        sequences: fold.sequences.into_iter().collect(),
        active_slots: fold.active_slots.into_iter().collect(),
        stalls: fold.stalls.into_iter().collect(),
        qualities: fold.qualities.into_iter().collect(),
        exercises: fold.exercises.into_iter().collect(),
        network: traces.network,
        agent: traces.agent,
        os: traces.os,
        device: traces.device,
    })
}

fn sample(event: &MediaEvent, occurred_at: DateTime<Utc>, origin: &Origin<'_>) -> BandwidthRow {
    BandwidthRow {
        organization_id: origin.member.organization_id,
        session_id: origin.session_id,
        actor: origin.actor,
        sequence: event.sequence,
        occurred_at,
        received_at: origin.received_at,
        uplink_kbps: event.uplink_kbps,
        downlink_kbps: event.downlink_kbps,
        round_trip_ms: event.round_trip_ms,
        packet_loss: event.packet_loss,
    }
}

/// Returns the days since 1970, as ClickHouse's `Date` counts them.
fn day(date: NaiveDate) -> u16 {
    u16::try_from((date - NaiveDate::default()).num_days()).unwrap_or_default()
}
