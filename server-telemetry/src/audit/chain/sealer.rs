//! Links events to the chain within two seconds of their arrival.
//!
//! Ingest does not wait for it: a trigger adds each stored event to the waiting ones in the same transaction. A
//! sealer takes the waiting events that it sees, in the order of arrival, and removes them in the transaction
//! that adds the links. So no event is skipped, in whatever order transactions become visible, and a sealer
//! that dies leaves everything unchanged. Any number of instances may run; an advisory lock lets only one at a
//! time write to a chain.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use server_shared::{causes, shutdown::Shutdown};

use super::{
    link::{Link, Tip},
    repository,
};
use crate::{
    job,
    storage::{StoreError, postgres::Database},
};

/// Interval at which the sealer looks for waiting events.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Maximum number of links that are added at once.
const BATCH: i64 = 2_000;
/// Number of chains that are extended at once.
const PARALLEL: usize = 4;

/// Job that seals events.
pub(crate) struct Sealer {
    database: Database,
    /// Organizations whose chain could not be extended, and the time until which they are skipped.
    put_off: Mutex<HashMap<i64, Instant>>,
}

impl Sealer {
    /// Makes a sealer for this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database, put_off: Mutex::default() }
    }

    /// Seals until shutdown.
    pub(crate) fn start(self, shutdown: &Shutdown) {
        let sealer = Arc::new(self);
        job::repeat(shutdown, "audit-sealer", move || {
            let sealer = Arc::clone(&sealer);
            async move { sealer.round().await }
        });
    }

    /// Seals a batch of each organization, and returns the pause before the next round.
    async fn round(&self) -> Result<Duration, StoreError> {
        let mut tx = self.database.work().await?;
        let organizations = repository::organizations_waiting(&mut tx).await?;
        drop(tx);
        // A fault of one chain neither stops nor delays the others.
        let full = stream::iter(self.due(organizations))
            .map(|id| self.try_seal(id))
            .buffer_unordered(PARALLEL)
            .fold(false, |full, sealed| async move { full || sealed == BATCH.unsigned_abs() })
            .await;
        Ok(if full { Duration::ZERO } else { LOOK_EVERY })
    }

    /// Removes the organizations that have just failed.
    fn due(&self, mut organizations: Vec<i64>) -> Vec<i64> {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        put_off.retain(|_, until| *until > now);
        organizations.retain(|organization_id| !put_off.contains_key(organization_id));
        organizations
    }

    /// Like [`Sealer::seal`]; logs a failure, and skips the organization for a while.
    async fn try_seal(&self, organization_id: i64) -> u64 {
        let error = match self.seal(organization_id).await {
            Ok(sealed) => return sealed,
            Err(error) => error,
        };
        let (error, retry_in_ms) = (causes(&error), job::RETRY.as_millis());
        tracing::warn!(organization_id, error, retry_in_ms, "an audit chain could not be extended");
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.insert(organization_id, Instant::now() + job::RETRY);
        0
    }

    /// Adds a batch of links to a chain and returns their number; 0 also if another instance holds the lock.
    async fn seal(&self, organization_id: i64) -> Result<u64, StoreError> {
        let mut tx = self.database.work().await?;
        if !repository::chain_try_lock(&mut tx, organization_id).await? {
            return Ok(0);
        }
        // The statements that follow see everything that the last holder of the lock committed.
        let waiting = repository::waiting(&mut tx, organization_id, BATCH).await?;
        let ids: Vec<_> = waiting.iter().map(|waiting| waiting.audit_id).collect();
        let events = repository::events(&mut tx, organization_id, &ids).await?;
        let end = repository::tip(&mut tx, organization_id).await?.unwrap_or(Tip::BEGINNING);
        let (mut links, mut arrivals, mut tip) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()), end);
        for waiting in waiting {
            let Some(event) = events.get(&waiting.audit_id) else { continue };
            let link = Link::after(&tip, event);
            tip = link.tip();
            links.push(link);
            arrivals.push(waiting.arrival);
        }
        if links.is_empty() {
            return Ok(0);
        }
        let sealed = repository::links_add(&mut tx, organization_id, &links, &arrivals, end.sealed_at).await?;
        tx.commit().await?;
        metrics::counter!("telemetry_audit_sealed_total").increment(sealed);
        Ok(sealed)
    }
}
