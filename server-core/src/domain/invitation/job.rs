//! The job that has the identity provider write to an invited address that nobody is known by. It reads the
//! invitation anew: one that has ended meanwhile, or whose address has an account by now, is let be.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::service::Service;
use crate::{
    identity::Caller,
    ids::InvitationId,
    integration::clerk::Users,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// An address was invited.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct InvitationSend {
    pub(super) invitation_id: InvitationId,
}

impl Work for InvitationSend {
    const KIND: &'static str = "invitation_send";
    // What is not sent in some days is asked for again.
    const ATTEMPTS: Option<i32> = Some(12);
    const KEEP_DAYS: i32 = 7;

    /// One letter at a time, however often the invitation is renewed.
    fn key(&self) -> Option<String> {
        Some(self.invitation_id.to_string())
    }
}

/// Handler of the job that asks the identity provider to send an invitation e-mail.
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
