//! Invitation to sign in as a patient who is created in the same transaction.

use server_shared::mark::Phi;

use super::{
    error::InvitationError,
    job::InvitationSend,
    model::{Invitation, InvitationKind, LinkRecord, Offer},
    repository,
    service::{Service, Whom, invited, no_member},
};
use crate::{
    database::WriteTx,
    domain::rules::InvalidValue,
    event::Events,
    identity::{Caller, Permission},
    ids::{OrganizationId, PatientId},
};

/// Person who is to sign in as a new patient.
pub(crate) struct Invitee<'a>(Whom<'a>);

impl Service {
    /// Returns the person whom `login` names; `at` is the pointer to it.
    pub(crate) fn invitee<'a>(
        &self,
        organization: OrganizationId,
        login: &'a LinkRecord,
        at: &str,
    ) -> Result<Invitee<'a>, InvalidValue> {
        self.whom(organization, login.email.as_ref(), login.user_id, at).map(Invitee)
    }

    /// Refuses a person who could not accept, as far as the caller may know the reason: callers who do not see the
    /// members learn nothing of them.
    pub(crate) async fn invitee_check(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        invitee: &Invitee<'_>,
        at: &str,
    ) -> Result<(), InvitationError> {
        if caller.may(Permission::MemberRead).is_err() {
            return Ok(());
        }
        match (&invitee.0, self.invited_member(tx, &invitee.0).await?) {
            (_, Some((user, role))) => self.check_member(tx, user, role, InvitationKind::PatientLink).await,
            (Whom::Address(..), None) => Ok(()),
            (Whom::User(_), None) => Err(no_member(at).into()),
        }
    }

    /// Invites the person to sign in as a patient whom this transaction has created; returns the invitation and its
    /// events.
    pub(crate) async fn invite_newcomer(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        invitee: &Invitee<'_>,
    ) -> Result<(Invitation, Events), InvitationError> {
        let offer = Offer::Patient(patient);
        Ok(match &invitee.0 {
            Whom::User(user) => {
                let written = repository::user_invite(tx, organization, offer, *user, caller.user_id).await?;
                invited(offer, &written, None, Some(*user))
            }
            Whom::Address(email, address) => {
                let written = repository::new_patient_invite(tx, patient, address).await?;
                // Enqueued always: the job checks whether the address has an account.
                tx.enqueue(&InvitationSend { invitation_id: written.id }).await?;
                invited(offer, &written, Some(Phi::from(email.as_str().to_owned())), None)
            }
        })
    }
}
