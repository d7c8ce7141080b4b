//! Answers to invitations. The person acts above organizations here, and the owner of the tables writes: no policy lets
//! a person write to a clinic before being its member.

use super::{
    error::InvitationError,
    event::InvitationEvent,
    model::{InvitationKind, InvitationStatus, Offer},
    repository::{self, Taken},
    service::Service,
};
use crate::{
    database::WriteTx,
    domain::{
        member::{MemberError, MemberRole},
        patient::{PatientError, PatientEvent},
        specialist::{SpecialistError, SpecialistEvent},
        user::{MyMembership, UserEvent},
    },
    event::Events,
    identity::{Changed, Person, Role},
    ids::{InvitationId, UserId},
};

impl Service {
    /// Accepts an invitation: only now the person becomes a member, and the record is linked to it.
    pub(super) async fn accept(&self, caller: &Person, id: InvitationId) -> Result<MyMembership, InvitationError> {
        let user = caller.id();
        let (mut tx, taken, offer) = self.take(caller, id).await?;
        let organization = taken.organization_id;
        let joined = self.join(&mut tx, user, &taken, offer).await?;
        match offer {
            Offer::Membership(_) => {}
            Offer::Patient(patient) => {
                let linked = self.patients.links.link(&mut tx, organization, patient, user).await;
                linked.map_err(|error| match error {
                    PatientError::NotFound => InvitationError::NotFound,
                    error => error.into(),
                })?;
            }
            Offer::Specialist(specialist) => {
                let linked = self.specialists.links.link(&mut tx, organization, specialist, user).await;
                linked.map_err(|error| match error {
                    SpecialistError::NotFound => InvitationError::NotFound,
                    error => error.into(),
                })?;
            }
        }
        repository::invitation_answer(&mut tx, taken.id, user, InvitationStatus::Accepted).await?;
        tx.changed(Changed::User(user));
        let role = Role::of_membership(taken.role.as_str()).ok_or(InvitationError::NotFound)?;
        let accepted = Events::from(InvitationEvent::Accepted(taken.id)).in_organization(organization);
        tx.commit(accepted.and(joined).and(linked(user, &taken, offer))).await?;
        Ok(MyMembership {
            organization_id: organization,
            organization_name: taken.organization_name,
            organization_slug: taken.organization_slug,
            role,
        })
    }

    /// Declines an invitation.
    pub(super) async fn decline(&self, caller: &Person, id: InvitationId) -> Result<(), InvitationError> {
        let (mut tx, taken, _) = self.take(caller, id).await?;
        repository::invitation_answer(&mut tx, taken.id, caller.id(), InvitationStatus::Declined).await?;
        tx.commit(Events::from(InvitationEvent::Declined(taken.id)).in_organization(taken.organization_id)).await?;
        Ok(())
    }

    async fn take(&self, caller: &Person, id: InvitationId) -> Result<(WriteTx, Taken, Offer), InvitationError> {
        let mut tx = self.database.write(&caller.above_organizations().privileged()).await?;
        let taken = repository::invitation_take(&mut tx, caller.id(), id).await?;
        let taken = taken.ok_or(InvitationError::NotFound)?;
        let offer = match (taken.kind, taken.patient_id, taken.specialist_id) {
            (InvitationKind::Membership, ..) => Offer::Membership(taken.role),
            (InvitationKind::PatientLink, Some(patient), _) => Offer::Patient(patient),
            (InvitationKind::SpecialistLink, _, Some(specialist)) => Offer::Specialist(specialist),
            _ => return Err(InvitationError::NotFound),
        };
        Ok((tx, taken, offer))
    }

    /// Creates the membership, unless there is one. A present membership keeps its role, which only an administrator
    /// may change; a record is linked only if its role fits.
    async fn join(
        &self,
        tx: &mut WriteTx,
        user: UserId,
        taken: &Taken,
        offer: Offer,
    ) -> Result<Option<Events>, InvitationError> {
        let role: Option<MemberRole> = self.members.role_hold(tx, taken.organization_id, user).await?;
        match (role, offer) {
            (None, _) => Ok(Some(self.members.add(tx, taken.organization_id, user, taken.role).await?)),
            (Some(_), Offer::Membership(_)) => Err(MemberError::AlreadyMember.into()),
            (Some(role), _) if role != taken.role => Err(InvitationError::RoleConflict),
            (Some(_), _) => Ok(None),
        }
    }
}

/// Returns the events of a link: of the record, of its new user, and of the user who requested the link.
fn linked(user: UserId, taken: &Taken, offer: Offer) -> Vec<Events> {
    let record: Events = match offer {
        Offer::Membership(_) => return Vec::new(),
        Offer::Patient(patient) => PatientEvent::Linked(patient).into(),
        Offer::Specialist(specialist) => SpecialistEvent::Linked(specialist).into(),
    };
    let asked = taken.invited_by.map(UserEvent::LinkGranted);
    let all = [Some(record), Some(UserEvent::Linked(user).into()), asked.map(Events::from)];
    all.into_iter().flatten().map(|event| event.in_organization(taken.organization_id)).collect()
}
