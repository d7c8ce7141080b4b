//! What a kind of work is, who does it, and how an attempt can end.

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

/// Pauses of a kind that has no reason for others.
pub(super) const PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(10));

/// What is to be done: ids and choices, never a personal value.
pub(crate) trait Work: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind's name; it stays as it is for as long as such rows may wait.
    const KIND: &'static str;
    /// Width of the kind's lane: how many of its jobs a process works on at a time. One organization holds half of it
    /// at most, and one place at least.
    const WIDTH: usize = 4;
    /// After how many attempts it is given up; `None` is never.
    const ATTEMPTS: Option<i32> = Some(20);
    /// Pauses between attempts that fail.
    const PAUSES: Backoff = PAUSES;
    /// How many days its row stays once it has ended.
    const KEEP_DAYS: i32 = 30;

    /// Of work with the same key in one organization, one job may be open at a time.
    fn key(&self) -> Option<String> {
        None
    }
}

/// Does one kind of work.
#[async_trait]
pub(crate) trait Handler: Send + Sync + 'static {
    /// The kind.
    type Work: Work;

    /// One attempt. Dropped at any `await` when the process stops or the lease is lost.
    async fn run(&self, work: Self::Work, attempt: &Attempt) -> Result<Outcome, JobError>;
}

/// How an attempt ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is nothing left to do.
    Done,
    /// Something else has to happen first: look again after this long. No failure.
    Again(Duration),
}

/// A job under way, in the hands of this process.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The job.
    pub(crate) id: Uuid,
    /// Whose it is.
    pub(crate) organization: Option<OrganizationId>,
    /// User who asked for it; `None` if nobody did, or if the user was erased.
    pub(crate) asked_by: Option<UserId>,
    /// What former attempts have recorded.
    pub(crate) progress: Value,
    pub(super) lease: Uuid,
}

impl Attempt {
    /// Ends the jobs that would do just the same and wait for their first turn. To be called before the attempt reads
    /// anything, so that it does what they were left for.
    pub(crate) async fn absorb<W: Work>(&self, across: &Across, work: &W) -> Result<(), JobError> {
        let payload = serde_json::to_value(work).map_err(|error| JobError::fatal("payload_unwritable", error))?;
        Ok(repository::jobs_absorb(across, self.organization, W::KIND, &payload, self.id).await?)
    }

    /// Records how far the job is, in the transaction of the step that got it there: either both are
    /// true after a crash or neither. Fails when another process has taken the job over.
    pub(crate) async fn record(&self, tx: &mut impl Tx, progress: &impl Serialize) -> Result<(), JobError> {
        let progress = serde_json::to_value(progress).map_err(|error| JobError::fatal("progress_unwritable", error))?;
        if repository::job_record(tx, self.id, self.lease, &progress).await? {
            return Ok(());
        }
        Err(JobError::retry("lease_lost", "another process has the job"))
    }
}

/// Why an attempt failed. The code is stored and shown; the cause is logged.
#[derive(Debug, thiserror::Error)]
#[error("{code}")]
pub(crate) struct JobError {
    pub(super) code: Cow<'static, str>,
    pub(super) fatal: bool,
    #[source]
    pub(super) cause: Box<dyn std::error::Error + Send + Sync>,
}

impl JobError {
    /// Another attempt may go right.
    pub(crate) fn retry(
        code: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { code: code.into(), fatal: false, cause: cause.into() }
    }

    /// No attempt ever will.
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
        DatabaseError::Damaged(_) => "data_damaged",
        DatabaseError::Shared(error) => code(error),
    }
}
