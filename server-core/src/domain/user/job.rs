//! Job that makes Telemetry refuse tokens issued before a change of the claims in them. Triggers of the database
//! enqueue it with each such change.

use std::time::Duration;

use async_trait::async_trait;
use restartix_sdk::{
    Failure,
    telemetry::{self, types::NewAccessRevocation},
};
use serde::{Deserialize, Serialize};
use server_shared::backoff::Backoff;

use super::repository;
use crate::{
    database::Across,
    ids::UserId,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// Pause before the next attempt while Telemetry does not answer. It is short, because revoked tokens are accepted
/// until then.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Revocation of a user's tokens for the job's organization, or for all organizations.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AccessRevoke {
    user_id: UserId,
}

impl Work for AccessRevoke {
    const KIND: &'static str = "access_revoke";
    const ATTEMPTS: Option<i32> = None;
    // Tokens are accepted until Telemetry has stored the revocation.
    const PAUSES: Backoff = Backoff::new(ASK_AGAIN, Duration::from_secs(30));
    // The function `access_revoke` writes the same number.
    const KEEP_DAYS: i32 = 1;
}

/// Sends revocations to Telemetry.
pub(crate) struct AccessRevoker {
    pub(crate) across: Across,
    pub(crate) telemetry: telemetry::Client,
}

#[async_trait]
impl Handler for AccessRevoker {
    type Work = AccessRevoke;

    async fn run(&self, work: AccessRevoke, attempt: &JobRun) -> Result<Outcome, JobError> {
        // The changes behind the absorbed jobs are committed, so the time read below is later than all of them.
        attempt.absorb(&self.across, &work).await?;
        let body = NewAccessRevocation {
            user_id: work.user_id.0,
            organization_id: attempt.organization.map(|organization| organization.0),
            not_before: repository::moment(&self.across).await?,
        };
        let Err(error) = self.telemetry.access_revocation_create().body(body).send().await else {
            return Ok(Outcome::Done);
        };
        let failure = Failure::read(error).await;
        if failure.status.is_none_or(|status| status.is_server_error()) {
            tracing::debug!(error = %failure, "Telemetry does not answer; it is asked again to refuse tokens");
            return Ok(Outcome::Again(ASK_AGAIN));
        }
        Err(JobError::retry("telemetry_refused", failure))
    }
}
