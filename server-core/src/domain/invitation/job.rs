//! Job that lets the identity provider send an e-mail to an invited address without an account. It reads the invitation
//! again, and does nothing if it has ended or its address has an account by then.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::service::Service;
use crate::{
    identity::Caller,
    ids::InvitationId,
    integration::clerk::Users,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// E-mail of an invitation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct InvitationSend {
    pub(super) invitation_id: InvitationId,
}

impl Work for InvitationSend {
    const KIND: &'static str = "invitation_send";
    // After some days the clinic renews the invitation.
    const ATTEMPTS: Option<i32> = Some(12);
    const KEEP_DAYS: i32 = 7;

    /// Returns the key, so that one e-mail is pending per invitation, however often it is renewed.
    fn key(&self) -> Option<String> {
        Some(self.invitation_id.to_string())
    }
}

/// Handler of the job that makes the identity provider send the e-mail.
pub(crate) struct Inviter {
    pub(crate) invitations: Service,
    pub(crate) clerk: Users,
}

#[async_trait]
impl Handler for Inviter {
    type Work = InvitationSend;

    async fn run(&self, work: InvitationSend, attempt: &JobRun) -> Result<Outcome, JobError> {
        let caller = Caller::job(attempt.organization, InvitationSend::KIND, attempt.id);
        let Some(address) = self.invitations.address_of_nobody(&caller, work.invitation_id).await? else {
            return Ok(Outcome::Done);
        };
        match self.clerk.invite(address.get()).await {
            Ok(()) => Ok(Outcome::Done),
            Err(error) if error.is_final() => Err(JobError::fatal("clerk_refused", error)),
            Err(error) => Err(JobError::retry("clerk_unavailable", error)),
        }
    }
}
