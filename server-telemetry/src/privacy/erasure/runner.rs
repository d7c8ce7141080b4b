//! Runs jobs of erasures: in any number of instances, one job at a time in each.
//!
//! A runner leases a job and renews the lease while it works; when a lease expires, another runner takes over.
//! A step in PostgreSQL and its entry in the receipt commit together. A step in ClickHouse counts the rows,
//! records their number, erases them, and counts again to verify. So every step can be repeated, and if a
//! process dies, another one continues the job.
//!
//! From the moment a job exists, its person counts as excluded, and nothing more is stored. Rows that were on
//! their way at that moment (admitted by the cache of an instance that did not know of the job yet, or waiting
//! in the queue of a writer) arrive within [`ErasureRunner::settle`]. After that time the runner repeats all
//! steps, which erases them. Audit events of the person that arrive even later are stored without personal
//! values ([`crate::audit::insert`]).

use std::{sync::Arc, time::Duration};

use server_shared::{
    backoff::Backoff,
    causes,
    lease::{Held, LEASE, hold},
    shutdown::Shutdown,
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    clickhouse::EventHoldings,
    error::Interruption,
    model::{ErasureItem, ErasureRequest},
    postgres::RowHoldings,
    repository::{Claimed, ErasureRepository},
};
use crate::{
    job,
    privacy::{
        cache::ConsentCache,
        registry::{Fate, HOLDINGS, Holding, Store},
    },
    storage::StoreError,
};

/// Interval at which the runner looks for jobs of other instances; its own instance wakes it.
const POLL: Duration = Duration::from_secs(1);
/// Pauses after failures.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
/// Interval at which jobs that are no longer needed as proof are deleted.
const SWEEP: Duration = Duration::from_hours(1);
/// Number of mutations of one table after which a job is put off because rows still arrive.
const MUTATIONS: usize = 3;

/// Runs jobs of erasures.
pub(crate) struct ErasureRunner {
    pub repository: Arc<ErasureRepository>,
    pub rows: RowHoldings,
    pub events: EventHoldings,
    pub cache: Arc<ConsentCache>,
    /// `ERASURE_SETTLE`: time after which rows that were admitted before a job began have arrived.
    pub settle: Duration,
    /// Signals new jobs.
    pub wake: Notify,
}

/// Result of a turn.
enum Turn {
    Finished,
    /// The job continues after this time.
    Paused(Duration),
}

impl ErasureRunner {
    /// Runs jobs until shutdown.
    pub(crate) fn start(self: &Arc<Self>, shutdown: &Shutdown) {
        let runner = Arc::clone(self);
        shutdown.spawn("erasures", |stop| async move {
            while !stop.is_cancelled() {
                match runner.turn(&stop).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "the queue of erasures could not be read"),
                }
                tokio::select! {
                    () = sleep(POLL) => {}
                    () = runner.wake.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
        });
        let runner = Arc::clone(self);
        job::repeat(shutdown, "erasures-sweep", move || {
            let runner = Arc::clone(&runner);
            async move { runner.sweep().await }
        });
    }

    /// Works on one job, if there is any.
    async fn turn(&self, stop: &CancellationToken) -> Result<bool, sqlx::Error> {
        let Some(mut job) = self.repository.claim(LEASE).await? else { return Ok(false) };
        let (id, lease) = (job.request.id, job.lease);
        let renew = || self.repository.renew(id, lease, LEASE);
        // At shutdown the lease ends at once, so that another process may continue.
        match hold(id, self.work(&mut job), renew, stop, Duration::ZERO).await {
            Held::Done(Ok(Turn::Finished)) => tracing::info!(job_id = %id, "an erasure is finished"),
            Held::Done(Ok(Turn::Paused(pause))) => self.repository.pause(&mut job, pause, None).await?,
            Held::Stopped => self.repository.pause(&mut job, Duration::ZERO, None).await?,
            Held::Lost | Held::Done(Err(Interruption::LeaseLost)) => {
                tracing::warn!(job_id = %id, "an erasure outlived its lease; another instance continues it");
            }
            Held::Done(Err(error)) => {
                let pause = PAUSES.after(u32::try_from(job.failures).unwrap_or_default().saturating_add(1));
                let retry_in_ms = pause.as_millis();
                tracing::warn!(job_id = %id, retry_in_ms, error = causes(&error), "an erasure failed and is retried");
                self.repository.pause(&mut job, pause, Some(error.to_string())).await?;
            }
        }
        Ok(true)
    }

    async fn work(&self, job: &mut Claimed) -> Result<Turn, Interruption> {
        let request = job.request;
        if job.plan.is_empty() {
            job.plan = self.plan(&request).await?;
            self.repository.commit(self.repository.begin().await?, job).await?;
        }
        if !request.dry_run {
            // Removes cached consents, so that the next request finds the person excluded.
            self.cache.forget_everybody().await;
            for holding in HOLDINGS.iter().filter(|holding| request.subject.may_be_in(holding)) {
                self.step(job, holding).await?;
            }
            let since = (job.taken_at - job.started_at).to_std().unwrap_or_default();
            if let Some(left) = self.settle.checked_sub(since).filter(|left| !left.is_zero()) {
                return Ok(Turn::Paused(left));
            }
        }
        self.repository.finish(job).await?;
        Ok(Turn::Finished)
    }

    /// Counts the rows of every holding.
    async fn plan(&self, request: &ErasureRequest) -> Result<Vec<ErasureItem>, Interruption> {
        let mut plan = Vec::new();
        for holding in HOLDINGS.iter().filter(|holding| request.subject.may_be_in(holding)) {
            let rows = match holding.store {
                Store::PostgreSql => self.rows.count(holding, &request.subject).await?,
                Store::ClickHouse => self.events.count(holding, &request.subject).await?,
            };
            plan.push(ErasureItem::new(holding, request.mode, rows));
        }
        Ok(plan)
    }

    async fn step(&self, job: &mut Claimed, holding: &Holding) -> Result<(), Interruption> {
        let request = job.request;
        let fate = request.mode.fate(holding);
        match (fate, holding.store) {
            (Fate::Retain { .. }, store) => {
                let rows = match store {
                    Store::PostgreSql => self.rows.count(holding, &request.subject).await?,
                    Store::ClickHouse => self.events.count(holding, &request.subject).await?,
                };
                item(job, holding).rows = rows;
                self.repository.commit(self.repository.begin().await?, job).await
            }
            (_, Store::PostgreSql) => {
                let mut tx = self.repository.begin().await?;
                let rows = self.rows.erase(&mut tx, holding, fate, &request.subject).await?;
                item(job, holding).rows += rows;
                self.repository.commit(tx, job).await
            }
            (_, Store::ClickHouse) => self.mutate(job, holding, fate).await,
        }
    }

    async fn mutate(&self, job: &mut Claimed, holding: &Holding, fate: Fate) -> Result<(), Interruption> {
        let (subject, key) = (job.request.subject, holding.key());
        for _ in 0..MUTATIONS {
            let rows = self.events.count(holding, &subject).await?;
            if job.mutating.as_ref() == Some(&key) {
                // An earlier run may have been interrupted during this mutation; its rows are counted already.
                if rows == 0 {
                    job.mutating = None;
                }
            } else {
                item(job, holding).rows += rows;
                job.mutating = (rows > 0).then(|| key.clone());
            }
            self.repository.commit(self.repository.begin().await?, job).await?;
            if rows == 0 {
                return Ok(());
            }
            self.events.erase(holding, fate, &subject).await?;
            job.mutating = None;
        }
        match self.events.count(holding, &subject).await? {
            0 => Ok(()),
            _ => Err(Interruption::StillThere(holding.table)),
        }
    }

    /// Deletes jobs that are no longer needed as proof; returns the pause before the next time.
    async fn sweep(&self) -> Result<Duration, StoreError> {
        let swept = self.repository.sweep().await?;
        if swept > 0 {
            tracing::info!(swept, "old jobs of erasures deleted");
        }
        Ok(SWEEP)
    }
}

/// Returns the holding's entry in the receipt, and adds it if it is missing.
fn item<'a>(job: &'a mut Claimed, holding: &Holding) -> &'a mut ErasureItem {
    let place = job.receipt.iter().position(|item| item.is_of(holding)).unwrap_or_else(|| {
        job.receipt.push(ErasureItem::new(holding, job.request.mode, 0));
        job.receipt.len() - 1
    });
    &mut job.receipt[place]
}
