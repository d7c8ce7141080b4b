//! Works jobs off: any number of instances, one job at a time each.
//!
//! A job is leased; its runner renews the lease while it works, and whoever finds it run out takes
//! over. A step of PostgreSQL and its entry in the receipt commit together. A step of ClickHouse is
//! counted, written down, done, and verified by counting again. So every step can be repeated, and a
//! process that dies leaves a job that goes on elsewhere.
//!
//! From the moment a job is there, its person counts as excluded: nothing more is stored. What was on
//! its way at that moment (admitted by a cache of an instance that had not heard of it, or waiting in
//! a writer's queue) comes to rest within [`ErasureRunner::settle`]; then all steps are done once
//! more, and what had come in is gone too. Audit events of the person that come even later are
//! stored without personal values (`AuditRepository::insert`).

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

/// How often jobs of other instances are looked for; those of this one are told of.
const POLL: Duration = Duration::from_secs(1);
/// Pauses after failures.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
/// How often jobs that have proved what they had to are forgotten.
const SWEEP: Duration = Duration::from_hours(1);
/// Mutations of one table before the job is put off: rows still come in.
const MUTATIONS: usize = 3;

/// Works jobs off.
pub(crate) struct ErasureRunner {
    pub repository: Arc<ErasureRepository>,
    pub rows: RowHoldings,
    pub events: EventHoldings,
    pub cache: Arc<ConsentCache>,
    /// `ERASURE_SETTLE`: after this no row is on its way any more that was admitted before.
    pub settle: Duration,
    /// Told of new jobs.
    pub wake: Notify,
}

/// How a turn ended.
enum Turn {
    Finished,
    /// To be gone on with after this.
    Paused(Duration),
}

impl ErasureRunner {
    /// Works until shutdown.
    pub(crate) fn start(self: &Arc<Self>, shutdown: &Shutdown) {
        let runner = Arc::clone(self);
        shutdown.spawn("erasures", |stop| async move {
            while !stop.is_cancelled() {
                match runner.turn(&stop).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, "erasures could not be looked for"),
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

    /// Takes up one job, if there is any.
    async fn turn(&self, stop: &CancellationToken) -> Result<bool, sqlx::Error> {
        let Some(mut job) = self.repository.claim(LEASE).await? else { return Ok(false) };
        let (id, lease) = (job.request.id, job.lease);
        let renew = || self.repository.renew(id, lease, LEASE);
        // When the process stops, another one may go on at once.
        match hold(id, self.work(&mut job), renew, stop, Duration::ZERO).await {
            Held::Done(Ok(Turn::Finished)) => tracing::info!(job_id = %id, "an erasure is finished"),
            Held::Done(Ok(Turn::Paused(pause))) => self.repository.pause(&mut job, pause, None).await?,
            Held::Stopped => self.repository.pause(&mut job, Duration::ZERO, None).await?,
            Held::Lost | Held::Done(Err(Interruption::LeaseLost)) => {
                tracing::warn!(job_id = %id, "an erasure took longer than its lease; another instance goes on");
            }
            Held::Done(Err(error)) => {
                let pause = PAUSES.after(u32::try_from(job.failures).unwrap_or_default().saturating_add(1));
                let retry_in_ms = pause.as_millis();
                tracing::warn!(job_id = %id, retry_in_ms, error = causes(&error), "an erasure is tried again");
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
            // Whoever is remembered as consenting is looked up again, and found excluded.
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

    /// What there is.
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
                // A mutation that somebody began and did not see the end of: its rows are counted.
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

    /// Forgets what has proved what it had to; says when to do so again.
    async fn sweep(&self) -> Result<Duration, StoreError> {
        let swept = self.repository.sweep().await?;
        if swept > 0 {
            tracing::info!(swept, "erasures of long ago forgotten");
        }
        Ok(SWEEP)
    }
}

/// The holding's entry in the receipt, made if it isn't there.
fn item<'a>(job: &'a mut Claimed, holding: &Holding) -> &'a mut ErasureItem {
    let place = job.receipt.iter().position(|item| item.is_of(holding)).unwrap_or_else(|| {
        job.receipt.push(ErasureItem::new(holding, job.request.mode, 0));
        job.receipt.len() - 1
    });
    &mut job.receipt[place]
}
