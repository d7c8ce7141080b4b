//! Job that sends an organization's settings that Telemetry needs. A trigger of the database enqueues it with each
//! change. It sends the settings at the time of its run, so order and repetition make no difference: Telemetry keeps
//! the later revision.

use std::time::Duration;

use async_trait::async_trait;
use restartix_sdk::{
    Failure,
    telemetry::{self, types::NewOrganizationSettings},
};
use serde::{Deserialize, Serialize};

use super::repository;
use crate::{
    database::Across,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// Pause before the next attempt while Telemetry does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Transfer of the settings of the job's organization.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SettingsPush {}

impl Work for SettingsPush {
    const KIND: &'static str = "organization_settings_push";
    const ATTEMPTS: Option<i32> = None;
    // The trigger `organization_settings_tell` writes the same number.
    const KEEP_DAYS: i32 = 1;
}

/// Sends settings to Telemetry.
pub(crate) struct SettingsPusher {
    pub(crate) across: Across,
    pub(crate) telemetry: telemetry::Client,
}

#[async_trait]
impl Handler for SettingsPusher {
    type Work = SettingsPush;

    async fn run(&self, work: SettingsPush, attempt: &JobRun) -> Result<Outcome, JobError> {
        let organization = attempt.organization()?;
        attempt.absorb(&self.across, &work).await?;
        let Some(pushed) = repository::pushed_settings_get(&self.across, organization).await? else {
            return Ok(Outcome::Done);
        };
        let body = NewOrganizationSettings { revision: pushed.revision, timezone: pushed.timezone };
        let request = self.telemetry.organization_settings_put().organization_id(organization.0).body(body);
        let Err(error) = request.send().await else { return Ok(Outcome::Done) };
        let failure = Failure::read(error).await;
        if failure.status.is_none_or(|status| status.is_server_error()) {
            tracing::debug!(error = %failure, "Telemetry does not answer; the settings of an organization are sent again");
            return Ok(Outcome::Again(ASK_AGAIN));
        }
        Err(JobError::retry("telemetry_refused", failure))
    }
}
