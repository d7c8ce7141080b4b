//! Brings audit rows to Telemetry: at least once, oldest first, for as long as it takes.
//!
//! Woken in memory by the commits of its own process; those of other processes, and what an earlier
//! process left behind, it finds by looking every 250 ms. (NOTIFY in each mutation would take a
//! database-wide lock through commit.)

use std::time::{Duration, Instant};

use chrono::Utc;
use restartix_sdk::{
    Failure,
    telemetry::{self, types::AuditResultKind},
};
use server_shared::backoff::Backoff;
use tokio_util::sync::CancellationToken;

use super::repository::{self, Pending};
use crate::{
    database::{Across, DatabaseError},
    wake::Wake,
};

/// Rows a batch holds at most; what Telemetry takes.
const BATCH: i64 = 1000;
/// How long a forwarder that died keeps its batch from the others.
const LEASE: Duration = Duration::from_secs(10);
/// How long a row that Telemetry refuses waits for the next attempt.
const REFUSED_PAUSE: Duration = Duration::from_hours(1);
/// How long it gathers after a batch that was not full: under load each commit wakes it, and batches
/// of a row or two would cost the database more than the bookings do.
const GATHER: Duration = Duration::from_millis(30);
/// How often it looks without being woken.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pauses after failures.
const OUTAGE: Backoff = Backoff::new(LOOK_EVERY, Duration::from_secs(5));
/// How often the lag is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// The job that empties the outbox.
pub(crate) struct Forwarder {
    across: Across,
    telemetry: telemetry::Client,
    wake: Wake,
}

/// What became of a row that was sent.
#[derive(Debug, Clone)]
enum Fate {
    /// Telemetry has it.
    Stored,
    /// Telemetry will not take it as it is.
    Refused(String),
    /// Nobody knows: it is sent again.
    Waiting,
}

/// What became of a batch.
enum Answer {
    /// Telemetry looked at every row.
    Taken(Vec<Fate>),
    /// Telemetry will not take the batch as it is.
    Refused(String),
    /// Telemetry could not answer, or not now.
    Failed(String),
}

#[derive(Debug, thiserror::Error)]
enum ForwardError {
    #[error("the outbox can't be read: {0:?}")]
    Outbox(#[from] DatabaseError),
    #[error("Telemetry did not take the batch: {0}")]
    Telemetry(String),
}

impl Forwarder {
    /// Works on the owner's pool, for every organization; `telemetry` carries the service token.
    pub(crate) fn new(across: Across, telemetry: telemetry::Client) -> (Self, Wake) {
        let wake = Wake::default();
        (Self { across, telemetry, wake: wake.clone() }, wake)
    }

    /// Forwards until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        let mut gather;
        let mut measured = Instant::now();
        loop {
            match self.forward().await {
                // A full batch: there is more.
                Ok(sent) if sent == BATCH => continue,
                Ok(sent) => {
                    failures = 0;
                    gather = if sent > 0 { GATHER } else { Duration::ZERO };
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "audit rows wait");
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
                // While Telemetry is down a commit is no reason to try it sooner.
                () = self.wake.woken(), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One batch; says how many rows it was.
    async fn forward(&self) -> Result<i64, ForwardError> {
        let rows = repository::outbox_claim(&self.across, BATCH, LEASE).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let taken = i64::try_from(rows.len()).unwrap_or(BATCH);
        let (fates, failure) = self.send(&rows).await;
        let seqs = |wanted: fn(&Fate) -> bool| -> Vec<i64> {
            rows.iter().zip(&fates).filter(|(_, fate)| wanted(fate)).map(|(row, _)| row.seq).collect()
        };
        let stored = seqs(|fate| matches!(fate, Fate::Stored));
        repository::outbox_delete(&self.across, &stored).await?;
        metrics::counter!("audit_forwarded_total").increment(stored.len() as u64);
        let refused = seqs(|fate| matches!(fate, Fate::Refused(_)));
        if !refused.is_empty() {
            // Nothing is lost: they wait in the outbox, out of the way of the others, for a version
            // of either service that agrees with the other.
            let reason =
                fates.iter().find_map(|fate| if let Fate::Refused(reason) = fate { Some(reason) } else { None });
            tracing::error!(rows = refused.len(), reason, "Telemetry refuses audit rows; they are kept");
            metrics::counter!("audit_refused_total").increment(refused.len() as u64);
            repository::outbox_lease(&self.across, &refused, Some(REFUSED_PAUSE)).await?;
        }
        let Some(failure) = failure else { return Ok(taken) };
        repository::outbox_lease(&self.across, &seqs(|fate| matches!(fate, Fate::Waiting)), None).await?;
        Err(ForwardError::Telemetry(failure))
    }

    /// What became of each row, and what kept the rest from being sent.
    async fn send(&self, rows: &[Pending]) -> (Vec<Fate>, Option<String>) {
        match self.send_batch(rows).await {
            Answer::Taken(fates) => (fates, None),
            Answer::Failed(reason) => (vec![Fate::Waiting; rows.len()], Some(reason)),
            Answer::Refused(reason) if rows.len() == 1 => (vec![Fate::Refused(reason)], None),
            // The batch as such is refused: one by one, a row that can't be taken holds up no other.
            Answer::Refused(_) => {
                let mut fates = Vec::with_capacity(rows.len());
                for row in rows.chunks(1) {
                    match self.send_batch(row).await {
                        Answer::Taken(fate) => fates.extend(fate),
                        Answer::Refused(reason) => fates.push(Fate::Refused(reason)),
                        Answer::Failed(reason) => {
                            fates.resize(rows.len(), Fate::Waiting);
                            return (fates, Some(reason));
                        }
                    }
                }
                (fates, None)
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
                let fate = |row: &Pending| match receipt.results.iter().find(|result| result.id == row.id) {
                    Some(result) if result.result == AuditResultKind::Rejected => {
                        Fate::Refused(result.reason.clone().unwrap_or_default())
                    }
                    // Stored now or before: both are acknowledged.
                    Some(_) => Fate::Stored,
                    None => Fate::Waiting,
                };
                Answer::Taken(rows.iter().map(fate).collect())
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
            Err(error) => tracing::warn!(?error, "the audit lag can't be measured"),
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
        // A row that stands for many attempts is of no one request.
        request_id: Some(row.request_id.clone()).filter(|id| !id.is_empty()),
        outcome: row.outcome.parse().map_err(|_| unknown("outcome", &row.outcome))?,
        error_code: row.error_code.clone(),
        // Left out where it says nothing.
        occurrences: (row.occurrences != 1).then_some(row.occurrences.into()),
        ip: row.ip.clone(),
        user_agent: row.user_agent.clone(),
        client_request_id: row.client_request_id,
    })
}

fn unknown(what: &str, value: &str) -> String {
    format!("Telemetry's API has no {what} `{value}`")
}
