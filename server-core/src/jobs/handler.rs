//! Kinds of work, their handlers, and the results of a run.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use server_shared::backoff::Backoff;
use uuid::Uuid;

use super::repository;
use crate::{
    database::{Across, DatabaseError, Tx},
    ids::{OrganizationId, UserId},
};

/// Default pauses between runs that fail.
pub(super) const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(10));

/// Description of the work of a job. It holds ids and choices, never a personal value.
pub(crate) trait Work: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name of the kind. It must not change while rows of the kind may exist.
    const KIND: &'static str;
    /// Width of the kind's lane: the number of its jobs that a process runs at once. One organization may have half of
    /// them, rounded down, but at least one.
    const WIDTH: usize = 4;
    /// Number of runs after which the job fails for good; `None` for no limit. Runs that the process stopped, or that
    /// ended with [`Outcome::Again`], do not count.
    const ATTEMPTS: Option<i32> = Some(20);
    /// Pauses between runs that fail.
    const PAUSES: Backoff = PAUSES;
    /// Number of days for which the row of a finished job is kept.
    const KEEP_DAYS: i32 = 30;

    /// Key of the work: in one organization, only one job with the same key may be open at a time.
    fn key(&self) -> Option<String> {
        None
    }
}

/// Handler of one kind of work.
#[async_trait]
pub(crate) trait Handler: Send + Sync + 'static {
    /// Kind of work.
    type Work: Work;

    /// Runs the job once. The future may be dropped at any `await`, when the process stops or the lease is lost.
    async fn run(&self, work: Self::Work, run: &JobRun) -> Result<Outcome, JobError>;
}

/// Result of a run that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The job is done.
    Done,
    /// Something else has to happen first: the job runs again after this time. Not counted as a failure.
    Again(Duration),
}

/// Run of a job by this process.
#[derive(Debug)]
pub(crate) struct JobRun {
    /// Id of the job.
    pub(crate) id: Uuid,
    /// Organization of the job.
    pub(crate) organization: Option<OrganizationId>,
    /// User who asked for the job; `None` if nobody did, or if the user was erased.
    pub(crate) asked_by: Option<UserId>,
    /// Progress recorded by earlier runs.
    pub(crate) progress: Value,
    pub(super) lease: Uuid,
}

impl JobRun {
    /// Returns the organization of a kind of job that always has one.
    ///
    /// # Errors
    /// If the job was enqueued above organizations, so that no further run can do its work.
    pub(crate) fn organization(&self) -> Result<OrganizationId, JobError> {
        self.organization.ok_or_else(|| JobError::fatal("organization_missing", "the work needs an organization"))
    }

    /// Finishes other jobs with the same work that have not run yet. Call it before this run reads anything, so that
    /// the run covers the changes for which those jobs were enqueued.
    pub(crate) async fn absorb<W: Work>(&self, across: &Across, work: &W) -> Result<(), JobError> {
        let payload = serde_json::to_value(work).map_err(|error| JobError::fatal("payload_unwritable", error))?;
        Ok(repository::jobs_absorb(across, self.organization, W::KIND, &payload, self.id).await?)
    }

    /// Records the progress of the job in the transaction of the step that made it, so that after a crash both have
    /// happened or neither. Fails if another process has taken the job over.
    pub(crate) async fn record(&self, tx: &mut impl Tx, progress: &impl Serialize) -> Result<(), JobError> {
        let progress = serde_json::to_value(progress).map_err(|error| JobError::fatal("progress_unwritable", error))?;
        if repository::job_record(tx, self.id, self.lease, &progress).await? {
            return Ok(());
        }
        Err(JobError::retry("lease_lost", "another process has the job"))
    }
}

/// Failure of a run. The code is stored and shown; the cause is logged.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub(crate) struct JobError {
    pub(super) code: Cow<'static, str>,
    pub(super) fatal: bool,
    #[source]
    pub(super) cause: Box<dyn std::error::Error + Send + Sync>,
}

impl JobError {
    /// Builds a failure after which the job runs again.
    pub(crate) fn retry(
        code: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { code: code.into(), fatal: false, cause: cause.into() }
    }

    /// Builds a failure that no further run can avoid: the job fails for good.
    pub(crate) fn fatal(
        code: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { code: code.into(), fatal: true, cause: cause.into() }
    }
}

impl From<DatabaseError> for JobError {
    fn from(error: DatabaseError) -> Self {
        Self::retry(code(&error), error)
    }
}

fn code(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Unavailable(_) | DatabaseError::Unsure(_) => "database_unavailable",
        DatabaseError::Failed(_) => "query_failed",
        DatabaseError::Damaged(_) | DatabaseError::KeyMissing(_) => "data_damaged",
        DatabaseError::Shared(error) => code(error),
    }
}
