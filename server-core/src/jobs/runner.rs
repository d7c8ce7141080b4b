//! The loop that claims and runs jobs.
//!
//! Commits of this process wake the runner in memory; it finds jobs of other processes by polling every second. A
//! running job is leased, and the lease is renewed for as long as the run takes: if a process is killed, others take
//! over its jobs within [`LEASE`].

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use server_shared::{
    backoff::Backoff,
    causes,
    lease::{Held, LEASE, hold},
};
use tokio_util::sync::CancellationToken;

use super::{
    Handler, JobError, JobRun, JobState, Outcome, Work,
    handler::PAUSES,
    lanes::{InHand, Room},
    model::ClaimedJob,
    repository::{self, Backlog},
};
use crate::{
    database::{Across, DatabaseError},
    ids::OrganizationId,
    wake::Wake,
};

/// Interval of polling.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pauses while the database can't be reached.
const OUTAGE: Backoff = Backoff::new(LOOK_EVERY, Duration::from_secs(5));
/// Time for which a run may continue after the process was asked to stop; then it is dropped and left to another
/// process.
const GRACE: Duration = Duration::from_secs(3);
/// Interval at which the backlog is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// Key of the single row of a periodic task.
const TASK: &str = "periodic";
/// Label of kinds that this version doesn't know, in metrics.
const OTHERS: &str = "others";
/// Longest pause of a periodic task that fails.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

type RunFn = Box<dyn Fn(JobRun, serde_json::Value) -> BoxFuture<'static, Result<Outcome, JobError>> + Send + Sync>;

/// Kind of job, with its handler and limits.
struct Kind {
    run: RunFn,
    width: usize,
    attempts: Option<i32>,
    pauses: Backoff,
    /// Pause after each run of a periodic task; `None` for a kind that is not periodic.
    every: Option<Duration>,
}

/// Runs jobs with the handlers that are registered.
pub(crate) struct Runner {
    across: Across,
    wake: Wake,
    kinds: BTreeMap<&'static str, Kind>,
}

impl Runner {
    /// Builds a runner on the owner's pool, for every organization. It registers the task that deletes old rows of
    /// jobs.
    pub(crate) fn new(across: Across) -> Self {
        let own = across.clone();
        let runner = Self { across, wake: Wake::default(), kinds: BTreeMap::new() };
        runner.every("jobs_expire", Duration::from_hours(1), move || {
            let across = own.clone();
            async move { repository::job_expire(&across).await }
        })
    }

    /// Returns the handle that wakes the runner.
    pub(crate) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Registers the handler of a kind of work.
    pub(crate) fn handle<H: Handler>(mut self, handler: H) -> Self {
        let handler = Arc::new(handler);
        let run: RunFn = Box::new(move |run, payload| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let work = serde_json::from_value(payload).map_err(|error| {
                    // serde's message quotes the input; its category and column are enough.
                    JobError::fatal("payload_unreadable", format!("{:?} at {}", error.classify(), error.column()))
                })?;
                handler.run(work, &run).await
            })
        });
        let kind = Kind {
            run,
            width: H::Work::WIDTH.max(1),
            attempts: H::Work::ATTEMPTS,
            pauses: H::Work::PAUSES,
            every: None,
        };
        self.kinds.insert(H::Work::KIND, kind);
        self
    }

    /// Registers a periodic task: it runs again `every` after it has ended, in one process at a time. `task` returns a
    /// number for the metrics, such as that of the rows it deleted.
    pub(crate) fn every<F>(
        mut self,
        kind: &'static str,
        every: Duration,
        task: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<u64, DatabaseError>> + Send + 'static,
    {
        let run: RunFn = Box::new(move |_, _| {
            let task = task();
            Box::pin(async move {
                metrics::counter!("housekeeping_rows_total", "task" => kind).increment(task.await?);
                Ok(Outcome::Done)
            })
        });
        let pauses = PAUSES.up_to(every.min(LONGEST_PAUSE));
        self.kinds.insert(kind, Kind { run, width: 1, attempts: None, pauses, every: Some(every) });
        self
    }

    /// Runs jobs until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let runner = Arc::new(self);
        let mut in_hand = InHand::new(runner.kinds.iter().map(|(name, kind)| (*name, kind.width)));
        let mut failures = 0;
        let mut tasks_planned = false;
        let mut measured = Instant::now();
        while !stop.is_cancelled() {
            match runner.claim(in_hand.room(), &mut tasks_planned).await {
                Ok(claimed) => {
                    failures = 0;
                    let may_be_more = !claimed.is_empty();
                    for job in claimed {
                        let Some((name, _)) = runner.kinds.get_key_value(job.kind.as_str()) else { continue };
                        let organization = job.organization_id;
                        in_hand.start(name, organization, Arc::clone(&runner).attempt(job, stop.clone()));
                    }
                    // A claim takes at most one job of each kind and organization, so more may be due.
                    if may_be_more {
                        continue;
                    }
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(?error, failures, "jobs could not be claimed; retrying");
                }
            }
            if measured.elapsed() >= MEASURE_EVERY {
                measured = Instant::now();
                runner.measure().await;
            }
            let pause = if failures == 0 { LOOK_EVERY } else { OUTAGE.after(failures) };
            tokio::select! {
                () = stop.cancelled() => {}
                // The run may have enqueued jobs, and its place is free now.
                Some(()) = in_hand.ended() => {}
                // While the database is down, a commit is no reason to try sooner.
                () = runner.wake.woken(), if failures == 0 => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // Every run receives the same `stop`.
        while in_hand.ended().await.is_some() {}
    }

    async fn claim(&self, room: Option<Room>, tasks_planned: &mut bool) -> Result<Vec<ClaimedJob>, DatabaseError> {
        if !*tasks_planned {
            for (kind, _) in self.kinds.iter().filter(|(_, known)| known.every.is_some()) {
                repository::task_ensure(&self.across, kind, TASK).await?;
            }
            *tasks_planned = true;
        }
        // Rows of kinds that this version doesn't know have no lane, and wait for a version that does.
        match room {
            Some(room) => repository::jobs_claim(&self.across, &room, LEASE).await,
            None => Ok(Vec::new()),
        }
    }

    async fn attempt(self: Arc<Self>, job: ClaimedJob, stop: CancellationToken) {
        let Some((&name, kind)) = self.kinds.get_key_value(job.kind.as_str()) else { return };
        // Every earlier run ended with its process and has no result; another one would probably end the same way.
        if kind.attempts.is_some_and(|most| job.attempts > most) {
            let exhausted = Err(JobError::fatal("attempts_exhausted", "every run ended with its process"));
            return self.settle(name, kind, &job, Held::Done(exhausted)).await;
        }
        let began = Instant::now();
        let run = JobRun {
            id: job.id,
            organization: Some(job.organization_id).filter(|id| *id != 0).map(OrganizationId),
            asked_by: job.created_by,
            progress: job.progress.clone(),
            lease: job.lease,
        };
        let work = AssertUnwindSafe((kind.run)(run, job.payload.clone())).catch_unwind().map(|done| {
            // The panic hook has logged the panic with its location.
            done.unwrap_or_else(|_| Err(JobError::retry("panicked", "the handler panicked")))
        });
        let renew = || repository::job_renew(&self.across, job.id, job.lease, LEASE);
        let held = hold(job.id, work, renew, &stop, GRACE).await;
        metrics::histogram!("job_duration_seconds", "kind" => name).record(began.elapsed().as_secs_f64());
        metrics::counter!("jobs_total", "kind" => name, "outcome" => outcome(&held)).increment(1);
        self.settle(name, kind, &job, held).await;
    }

    /// Stores the result of a run. If that fails, the lease expires and the job runs again.
    async fn settle(&self, name: &'static str, kind: &Kind, job: &ClaimedJob, held: Held<Result<Outcome, JobError>>) {
        if let Err(error) = self.store(kind, job, held).await {
            tracing::warn!(?error, kind = name, job_id = %job.id, "the result of a job could not be stored");
        }
    }

    async fn store(
        &self,
        kind: &Kind,
        job: &ClaimedJob,
        held: Held<Result<Outcome, JobError>>,
    ) -> Result<(), DatabaseError> {
        let (across, id, lease) = (&self.across, job.id, job.lease);
        match held {
            Held::Lost => Ok(()),
            // The process was stopped, so the run does not count.
            Held::Stopped => repository::job_release(across, id, lease, job.attempts - 1, Duration::ZERO, None).await,
            Held::Done(Ok(Outcome::Again(after))) => {
                repository::job_release(across, id, lease, job.attempts - 1, after, None).await
            }
            Held::Done(Ok(Outcome::Done)) => match kind.every {
                Some(every) => repository::job_release(across, id, lease, 0, every, None).await,
                None => repository::job_finish(across, id, lease, JobState::Succeeded, None).await,
            },
            Held::Done(Err(error)) => {
                let given_up = error.fatal || kind.attempts.is_some_and(|most| job.attempts >= most);
                let cause = causes(error.cause.as_ref());
                if given_up {
                    tracing::error!(kind = job.kind, job_id = %id, attempts = job.attempts, code = %error.code, cause, "a job failed for good");
                    return repository::job_finish(across, id, lease, JobState::Failed, Some(&error.code)).await;
                }
                let pause = kind.pauses.after(u32::try_from(job.attempts).unwrap_or(1));
                tracing::warn!(kind = job.kind, job_id = %id, attempts = job.attempts, code = %error.code, cause, retry_in_ms = millis(pause), "a job failed and will run again");
                repository::job_release(across, id, lease, job.attempts, pause, Some(&error.code)).await
            }
        }
    }

    async fn measure(&self) {
        let backlog = match repository::jobs_backlog(&self.across).await {
            Ok(backlog) => backlog,
            Err(error) => return tracing::warn!(?error, "the backlog of jobs could not be measured"),
        };
        // A kind without jobs gets zeros; kinds that this version doesn't know share one label.
        let mut known: BTreeMap<&'static str, Backlog> =
            self.kinds.keys().copied().chain([OTHERS]).map(|name| (name, Backlog::default())).collect();
        for found in backlog {
            let name = self.kinds.get_key_value(found.kind.as_str()).map_or(OTHERS, |(name, _)| name);
            let sum = known.entry(name).or_default();
            sum.due += found.due;
            sum.lag = sum.lag.max(found.lag);
            sum.failed += found.failed;
        }
        for (name, backlog) in known {
            metrics::gauge!("jobs_due", "kind" => name).set(count(backlog.due));
            metrics::gauge!("jobs_due_lag_seconds", "kind" => name).set(backlog.lag);
            metrics::gauge!("jobs_failed", "kind" => name).set(count(backlog.failed));
        }
    }
}

fn outcome(held: &Held<Result<Outcome, JobError>>) -> &'static str {
    match held {
        Held::Done(Ok(Outcome::Done)) => "succeeded",
        Held::Done(Ok(Outcome::Again(_))) => "waits",
        Held::Done(Err(_)) => "failed",
        Held::Stopped => "stopped",
        Held::Lost => "lost",
    }
}

fn count(rows: i64) -> f64 {
    f64::from(u32::try_from(rows).unwrap_or(u32::MAX))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
