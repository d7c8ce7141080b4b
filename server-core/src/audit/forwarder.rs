//! Forwards audit rows to Telemetry: at least once, oldest first, retrying until Telemetry accepts them.
//!
//! Commits of this process wake the forwarder in memory. It finds rows of other processes, and rows left by an earlier
//! process, by polling every 250 ms. (NOTIFY in each mutation would take a database-wide lock through commit.)

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::Utc;
use restartix_sdk::{
    Failure,
    telemetry::{self, types::AuditResultKind},
};
use server_shared::backoff::Backoff;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::repository::{self, Pending};
use crate::{
    database::{Across, DatabaseError},
    wake::Wake,
};

/// Largest number of rows in a batch, which is Telemetry's limit.
const BATCH: i64 = 1000;
/// Time for which the batch of a forwarder that died stays reserved.
const LEASE: Duration = Duration::from_secs(10);
/// Time until a row that Telemetry has rejected is sent again.
const REFUSED_PAUSE: Duration = Duration::from_hours(1);
/// Pause after a batch that was not full, in which rows collect. Under load each commit wakes the forwarder, and
/// batches of a row or two would cost the database more than the bookings do.
const GATHER: Duration = Duration::from_millis(100);
/// Interval of polling.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pauses after failures.
const OUTAGE: Backoff = Backoff::new(LOOK_EVERY, Duration::from_secs(5));
/// Interval at which the lag is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Task that sends the rows of the outbox to Telemetry.
pub(crate) struct Forwarder {
    across: Across,
    telemetry: telemetry::Client,
    wake: Wake,
}

/// Result of sending a row.
#[derive(Debug, Clone)]
enum Delivery {
    /// Telemetry has stored it.
    Stored,
    /// Telemetry rejects the row.
    Refused(String),
    /// The result is unknown: the row is sent again.
    Waiting,
}

/// Result of sending a batch.
enum Answer {
    /// Telemetry has processed every row.
    Taken(Vec<Delivery>),
    /// Telemetry rejects the batch as a whole.
    Refused(String),
    /// Telemetry can't be reached, or answers with an error that may pass.
    Failed(String),
}

#[derive(Debug, thiserror::Error)]
enum ForwardError {
    #[error("the outbox could not be read or updated: {0:?}")]
    Outbox(#[from] DatabaseError),
    #[error("Telemetry did not accept the batch: {0}")]
    Telemetry(String),
}

impl Forwarder {
    /// Builds a forwarder that works on the owner's pool, for every organization, and returns what wakes it.
    /// `telemetry` carries the service token.
    pub(crate) fn new(across: Across, telemetry: telemetry::Client) -> (Self, Wake) {
        let wake = Wake::default();
        (Self { across, telemetry, wake: wake.clone() }, wake)
    }

    /// Forwards rows until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        let mut gather;
        let mut measured = Instant::now();
        loop {
            match self.forward().await {
                // The batch was full, so more rows are likely to be waiting.
                Ok(sent) if sent == BATCH => continue,
                Ok(sent) => {
                    failures = 0;
                    gather = if sent > 0 { GATHER } else { Duration::ZERO };
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "audit rows could not be forwarded; retrying");
                    metrics::counter!("audit_forward_failures_total").increment(1);
                    gather = Duration::ZERO;
                }
            }
            if measured.elapsed() >= MEASURE_EVERY {
                measured = Instant::now();
                self.measure().await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(gather) => {}
            }
            let pause = if failures == 0 { LOOK_EVERY } else { OUTAGE.after(failures) };
            tokio::select! {
                () = stop.cancelled() => return,
                // While Telemetry is down, a commit is no reason to try sooner.
                () = self.wake.woken(), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Forwards one batch and returns its number of rows.
    async fn forward(&self) -> Result<i64, ForwardError> {
        let rows = repository::outbox_claim(&self.across, BATCH, LEASE).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let taken = i64::try_from(rows.len()).unwrap_or(BATCH);
        let (deliveries, failure) = self.send(&rows).await;
        let seqs = |wanted: fn(&Delivery) -> bool| -> Vec<i64> {
            rows.iter().zip(&deliveries).filter(|(_, delivery)| wanted(delivery)).map(|(row, _)| row.seq).collect()
        };
        let stored = seqs(|delivery| matches!(delivery, Delivery::Stored));
        repository::outbox_delete(&self.across, &stored).await?;
        metrics::counter!("audit_forwarded_total").increment(stored.len() as u64);
        let refused = seqs(|delivery| matches!(delivery, Delivery::Refused(_)));
        if !refused.is_empty() {
            // Nothing is lost: the rows wait in the outbox without delaying others, until a version of one of the
            // services is deployed that agrees with the other.
            let reason = deliveries
                .iter()
                .find_map(|delivery| if let Delivery::Refused(reason) = delivery { Some(reason) } else { None });
            tracing::error!(rows = refused.len(), reason, "Telemetry rejects audit rows; they stay in the outbox");
            metrics::counter!("audit_refused_total").increment(refused.len() as u64);
            repository::outbox_lease(&self.across, &refused, Some(REFUSED_PAUSE)).await?;
        }
        let Some(failure) = failure else { return Ok(taken) };
        repository::outbox_lease(&self.across, &seqs(|delivery| matches!(delivery, Delivery::Waiting)), None).await?;
        Err(ForwardError::Telemetry(failure))
    }

    /// Sends the rows. Returns the result of each, and the reason if some could not be sent.
    async fn send(&self, rows: &[Pending]) -> (Vec<Delivery>, Option<String>) {
        match self.send_batch(rows).await {
            Answer::Taken(deliveries) => (deliveries, None),
            Answer::Failed(reason) => (vec![Delivery::Waiting; rows.len()], Some(reason)),
            Answer::Refused(reason) if rows.len() == 1 => (vec![Delivery::Refused(reason)], None),
            // The batch as a whole was rejected: sent one by one, a row that can't be accepted delays no other.
            Answer::Refused(_) => {
                let mut deliveries = Vec::with_capacity(rows.len());
                for row in rows.chunks(1) {
                    match self.send_batch(row).await {
                        Answer::Taken(delivery) => deliveries.extend(delivery),
                        Answer::Refused(reason) => deliveries.push(Delivery::Refused(reason)),
                        Answer::Failed(reason) => {
                            deliveries.resize(rows.len(), Delivery::Waiting);
                            return (deliveries, Some(reason));
                        }
                    }
                }
                (deliveries, None)
            }
        }
    }

    async fn send_batch(&self, rows: &[Pending]) -> Answer {
        let events = match rows.iter().map(event).collect() {
            Ok(events) => events,
            Err(reason) => return Answer::Refused(reason),
        };
        match self.telemetry.audit_ingest().body(telemetry::types::AuditBatch { events }).send().await {
            Ok(receipt) => {
                let results: HashMap<Uuid, _> = receipt.results.iter().map(|result| (result.id, result)).collect();
                let delivery = |row: &Pending| match results.get(&row.id) {
                    Some(result) if result.result == AuditResultKind::Rejected => {
                        Delivery::Refused(result.reason.clone().unwrap_or_default())
                    }
                    // Both stored and duplicate rows are acknowledged.
                    Some(_) => Delivery::Stored,
                    None => Delivery::Waiting,
                };
                Answer::Taken(rows.iter().map(delivery).collect())
            }
            Err(error) => {
                let failure = Failure::read(error).await;
                match failure.status.map(|status| status.as_u16()) {
                    Some(400 | 413 | 422) => Answer::Refused(failure.to_string()),
                    _ => Answer::Failed(failure.to_string()),
                }
            }
        }
    }

    async fn measure(&self) {
        match repository::outbox_lag(&self.across).await {
            Ok(lag) => {
                let waiting = u32::try_from(lag.rows).unwrap_or(u32::MAX);
                let age = lag.oldest.map_or(0, |oldest| (Utc::now() - oldest).num_milliseconds().max(0));
                metrics::gauge!("audit_outbox_rows").set(f64::from(waiting));
                metrics::gauge!("audit_outbox_lag_seconds")
                    .set(f64::from(u32::try_from(age).unwrap_or(u32::MAX)) / 1e3);
            }
            Err(error) => tracing::warn!(?error, "the lag of the audit outbox could not be measured"),
        }
    }
}

fn event(row: &Pending) -> Result<telemetry::types::NewAuditEvent, String> {
    Ok(telemetry::types::NewAuditEvent {
        id: row.id,
        occurred_at: row.occurred_at,
        organization_id: row.organization_id,
        actor_kind: row.actor_kind.parse().map_err(|_| unknown("actor kind", &row.actor_kind))?,
        actor_user_id: row.actor_user_id,
        actor_api_key_id: row.actor_api_key_id,
        impersonator_user_id: row.impersonator_user_id,
        action: row.action.clone(),
        entity_type: row.entity_type.clone(),
        entity_id: row.entity_id.clone(),
        entity_ids: Vec::new(),
        changed_fields: row.changed_fields.clone(),
        operation_id: Some(row.operation_id.clone()),
        // A row that stands for several requests belongs to no single one.
        request_id: Some(row.request_id.clone()).filter(|id| !id.is_empty()),
        outcome: row.outcome.parse().map_err(|_| unknown("outcome", &row.outcome))?,
        error_code: row.error_code.clone(),
        // Left out if the row stands for one request.
        occurrences: (row.occurrences != 1).then_some(row.occurrences.into()),
        ip: row.ip.clone(),
        user_agent: row.user_agent.clone(),
        client_request_id: row.client_request_id,
    })
}

fn unknown(what: &str, value: &str) -> String {
    format!("Telemetry's API has no {what} `{value}`")
}
