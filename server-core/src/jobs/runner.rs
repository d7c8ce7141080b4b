//! The loop that works jobs off.
//!
//! Woken in memory by the commits of its own process; those of other processes it finds by looking
//! every second. A job in hand is leased, and the lease renewed for as long as the attempt takes: a
//! process that was killed loses its jobs to the others within [`LEASE`].

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use server_shared::causes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Handler, JobError, JobState, Outcome, Work, backoff::pause, model::Claimed, repository};
use crate::{
    database::{Across, DatabaseError},
    ids::OrganizationId,
    wake::Wake,
};

/// How many jobs a process works on at a time.
const CONCURRENCY: usize = 4;
/// How long a process that died keeps its jobs from the others.
const LEASE: Duration = Duration::from_secs(10);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How often it looks without being woken.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest pause while the database can't be reached; the pause doubles up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long an attempt may go on when the process stops; then it is dropped and left to another.
const GRACE: Duration = Duration::from_secs(3);
/// How often the backlog is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// The key of the one row of a periodic task.
const TASK: &str = "periodic";

type Run = Box<dyn Fn(Attempt, serde_json::Value) -> BoxFuture<'static, Result<Outcome, JobError>> + Send + Sync>;

/// A kind of job.
struct Kind {
    run: Run,
    attempts: Option<i32>,
    /// For what comes back by itself: how long after it was done.
    every: Option<Duration>,
}

/// How an attempt ended.
enum End {
    Returned(Result<Outcome, JobError>),
    /// The process stops.
    Stopped,
    /// Another process has the job.
    Lost,
}

/// Works jobs off, with what handlers it is given.
pub(crate) struct Runner {
    across: Across,
    wake: Wake,
    kinds: BTreeMap<&'static str, Kind>,
}

impl Runner {
    /// Works on the owner's pool, for every organization. Knows how to expire its own rows.
    pub(crate) fn new(across: Across) -> Self {
        let own = across.clone();
        Self::lane(across).every("jobs_expire", Duration::from_hours(1), move || {
            let across = own.clone();
            async move { repository::job_expire(&across).await }
        })
    }

    /// A runner besides, for work that must not wait until others have time for it.
    pub(crate) fn lane(across: Across) -> Self {
        Self { across, wake: Wake::default(), kinds: BTreeMap::new() }
    }

    /// What tells it that there is work.
    pub(crate) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Lets `handler` do the work of its kind.
    pub(crate) fn handle<H: Handler>(mut self, handler: H) -> Self {
        let handler = Arc::new(handler);
        let run: Run = Box::new(move |attempt, payload| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let work = serde_json::from_value(payload).map_err(|error| {
                    // serde repeats what it could not read; its line and column are enough.
                    JobError::fatal("payload_unreadable", format!("{:?} at {}", error.classify(), error.column()))
                })?;
                handler.run(work, &attempt).await
            })
        });
        self.kinds.insert(H::Work::KIND, Kind { run, attempts: H::Work::ATTEMPTS, every: None });
        self
    }

    /// Has housekeeping done that comes back by itself: in all processes together once in `every`.
    /// `task` says how many rows it removed, or whatever it counts.
    pub(crate) fn every<F>(
        mut self,
        kind: &'static str,
        every: Duration,
        task: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<u64, DatabaseError>> + Send + 'static,
    {
        let run: Run = Box::new(move |_, _| {
            let task = task();
            Box::pin(async move {
                metrics::counter!("housekeeping_rows_total", "task" => kind).increment(task.await?);
                Ok(Outcome::Done)
            })
        });
        self.kinds.insert(kind, Kind { run, attempts: None, every: Some(every) });
        self
    }

    /// Works until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let runner = Arc::new(self);
        let mut running = JoinSet::new();
        let mut pause = LOOK_EVERY;
        let mut tasks_planned = false;
        let mut measured = Instant::now();
        loop {
            let free = CONCURRENCY - running.len();
            match if free == 0 { Ok(Vec::new()) } else { runner.claim(free, &mut tasks_planned).await } {
                Ok(claimed) => {
                    pause = LOOK_EVERY;
                    for job in claimed {
                        running.spawn(Arc::clone(&runner).attempt(job, stop.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(?error, retry_in_ms = millis(pause), "jobs wait");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            if measured.elapsed() >= MEASURE_EVERY {
                measured = Instant::now();
                runner.measure().await;
            }
            let full = running.len() == CONCURRENCY;
            tokio::select! {
                () = stop.cancelled() => break,
                // Something has ended: what it was or what it led to may leave work behind.
                Some(_) = running.join_next() => {}
                // While the database is down a commit is no reason to try it sooner.
                () = runner.wake.woken(), if !full && pause == LOOK_EVERY => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // Each attempt hears the same `stop`.
        while running.join_next().await.is_some() {}
    }

    async fn claim(&self, free: usize, tasks_planned: &mut bool) -> Result<Vec<Claimed>, DatabaseError> {
        if !*tasks_planned {
            for (kind, _) in self.kinds.iter().filter(|(_, known)| known.every.is_some()) {
                repository::task_ensure(&self.across, kind, TASK).await?;
            }
            *tasks_planned = true;
        }
        // Rows of kinds that this version doesn't know wait for one that does.
        let kinds: Vec<String> = self.kinds.keys().map(|kind| (*kind).to_owned()).collect();
        repository::job_claim(&self.across, &kinds, i64::try_from(free).unwrap_or(1), LEASE).await
    }

    async fn attempt(self: Arc<Self>, job: Claimed, stop: CancellationToken) {
        let Some((&name, kind)) = self.kinds.get_key_value(job.kind.as_str()) else { return };
        // Its attempts ended with their process and were never judged: this one would too.
        if kind.attempts.is_some_and(|most| job.attempts > most) {
            let exhausted = Err(JobError::fatal("attempts_exhausted", "every attempt ended with its process"));
            if let Err(error) = self.settle(kind, &job, End::Returned(exhausted)).await {
                tracing::warn!(%error, kind = name, job_id = %job.id, "the end of a job could not be stored");
            }
            return;
        }
        let began = Instant::now();
        let attempt = Attempt {
            id: job.id,
            organization: Some(job.organization_id).filter(|id| *id != 0).map(OrganizationId),
            asked_by: job.created_by,
            progress: job.progress.clone(),
            lease: job.lease,
        };
        let work = AssertUnwindSafe((kind.run)(attempt, job.payload.clone())).catch_unwind();
        let end = tokio::select! {
            returned = work => End::Returned(returned.unwrap_or_else(|_| {
                // The panic itself has been logged by the hook, with its place.
                Err(JobError::retry("panicked", "the handler panicked"))
            })),
            () = self.keep(&job) => End::Lost,
            () = stopped(&stop) => End::Stopped,
        };
        metrics::histogram!("job_duration_seconds", "kind" => name).record(began.elapsed().as_secs_f64());
        metrics::counter!("jobs_total", "kind" => name, "outcome" => outcome(&end)).increment(1);
        if let Err(error) = self.settle(kind, &job, end).await {
            // The lease ends by itself, and the job is taken up again.
            tracing::warn!(?error, kind = name, job_id = %job.id, "the end of a job could not be stored");
        }
    }

    /// Renews the lease; resolves when it is another's.
    async fn keep(&self, job: &Claimed) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match repository::job_renew(&self.across, job.id, job.lease, LEASE).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(?error, job_id = %job.id, "a lease could not be renewed"),
            }
        }
    }

    async fn settle(&self, kind: &Kind, job: &Claimed, end: End) -> Result<(), DatabaseError> {
        let (across, id, lease) = (&self.across, job.id, job.lease);
        match end {
            End::Lost => Ok(()),
            // Not its fault: the attempt does not count.
            End::Stopped => repository::job_release(across, id, lease, job.attempts - 1, Duration::ZERO, None).await,
            End::Returned(Ok(Outcome::Again(after))) => {
                repository::job_release(across, id, lease, job.attempts - 1, after, None).await
            }
            End::Returned(Ok(Outcome::Done)) => match kind.every {
                Some(every) => repository::job_release(across, id, lease, 0, every, None).await,
                None => repository::job_finish(across, id, lease, JobState::Succeeded, None).await,
            },
            End::Returned(Err(error)) => {
                let given_up = error.fatal || kind.attempts.is_some_and(|most| job.attempts >= most);
                let cause = causes(error.cause.as_ref());
                if given_up {
                    tracing::error!(kind = job.kind, job_id = %id, attempts = job.attempts, code = %error.code, cause, "a job was given up");
                    return repository::job_finish(across, id, lease, JobState::Failed, Some(&error.code)).await;
                }
                let pause = pause(job.attempts);
                tracing::warn!(kind = job.kind, job_id = %id, attempts = job.attempts, code = %error.code, cause, retry_in_ms = millis(pause), "a job failed and is tried again");
                repository::job_release(across, id, lease, job.attempts, pause, Some(&error.code)).await
            }
        }
    }

    async fn measure(&self) {
        match repository::job_backlog(&self.across).await {
            Ok(backlog) => {
                metrics::gauge!("jobs_due").set(f64::from(u32::try_from(backlog.due).unwrap_or(u32::MAX)));
                metrics::gauge!("jobs_due_lag_seconds").set(backlog.oldest);
                metrics::gauge!("jobs_failed").set(f64::from(u32::try_from(backlog.failed).unwrap_or(u32::MAX)));
            }
            Err(error) => tracing::warn!(?error, "the backlog of jobs can't be measured"),
        }
    }
}

/// Resolves when the process stops and an attempt has had its time to end by itself.
async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

fn outcome(end: &End) -> &'static str {
    match end {
        End::Returned(Ok(Outcome::Done)) => "succeeded",
        End::Returned(Ok(Outcome::Again(_))) => "waits",
        End::Returned(Err(_)) => "failed",
        End::Stopped => "stopped",
        End::Lost => "lost",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
