//! The job that has Telemetry refuse tokens that were issued before what they say changed. The database
//! leaves it, by triggers, with each such change.

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

/// Pause before the next attempt while Telemetry does not answer. It is short, as the next request that Telemetry
/// serves may carry such a token.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A person whose tokens for the job's organization, or for every one, are good no longer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AccessRevoke {
    user_id: UserId,
}

impl Work for AccessRevoke {
    const KIND: &'static str = "access_revoke";
    const ATTEMPTS: Option<i32> = None;
    // Until Telemetry has taken it, the token works.
    const PAUSES: Backoff = Backoff::new(ASK_AGAIN, Duration::from_secs(30));
    // As the function `access_revoke` writes it.
    const KEEP_DAYS: i32 = 1;
}

/// Asks Telemetry.
pub(crate) struct AccessRevoker {
    pub(crate) across: Across,
    pub(crate) telemetry: telemetry::Client,
}

#[async_trait]
impl Handler for AccessRevoker {
    type Work = AccessRevoke;

    async fn run(&self, work: AccessRevoke, attempt: &JobRun) -> Result<Outcome, JobError> {
        // What the others were left for is committed: the moment comes after it.
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
