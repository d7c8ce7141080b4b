use std::sync::Arc;

use server_shared::{
    http::{Page, Paging},
    mark::Phi,
    value::EmailAddress,
};
use uuid::Uuid;

use super::{
    error::InvitationError,
    event::InvitationEvent,
    job::InvitationSend,
    model::{ConnectUser, Invitation, InvitationKind, InvitationStatus, LinkRecord, MyInvitation, Offer},
    repository::{self, InvitationRow, SealedAddress, Written},
};
use crate::{
    audit::Audit,
    database::{Across, Database, DatabaseError, Disclosed, Sealed, WriteTx},
    domain::{
        member::{self, MemberError, MemberRole},
        patient::{self, PatientError, PatientEvent},
        rules::InvalidValue,
        specialist::{self, SpecialistError, SpecialistEvent},
        user::{self, UserEvent},
    },
    encryption::{Encryption, Holder},
    event::Events,
    identity::{Caller, Person},
    ids::{InvitationId, OrganizationId, UserId},
};

const TABLE: &str = "invitations";
const EMAIL: &str = "email";

/// Days for which an ended invitation is kept, so that the clinic sees its outcome.
const KEPT_DAYS: i32 = 30;

/// Invited person: the owner of an e-mail address, or a user.
pub(super) enum Whom<'a> {
    Address(&'a EmailAddress, SealedAddress),
    User(UserId),
}

/// Service for the invitations of clinics and their answers.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) encryption: Arc<Encryption>,
    pub(crate) users: user::Service,
    pub(crate) members: member::Service,
    pub(crate) patients: patient::Service,
    pub(crate) specialists: specialist::Service,
}

impl Service {
    pub(super) async fn connect(
        &self,
        caller: &Person,
        organization: OrganizationId,
        body: &ConnectUser,
    ) -> Result<Disclosed<Invitation>, InvitationError> {
        let whom = self.whom(organization, body.email.as_ref(), body.user_id, "")?;
        self.invite(caller, organization, &whom, Offer::Membership(body.role)).await
    }

    pub(super) async fn link(
        &self,
        caller: &Person,
        organization: OrganizationId,
        offer: Offer,
        body: &LinkRecord,
    ) -> Result<Disclosed<Invitation>, InvitationError> {
        let whom = self.whom(organization, body.email.as_ref(), body.user_id, "")?;
        self.invite(caller, organization, &whom, offer).await
    }

    /// Invites a person. Effects and answer are the same whether or not an account has the address; they may depend on
    /// members and their records, which an administrator sees anyway.
    async fn invite(
        &self,
        caller: &Person,
        organization: OrganizationId,
        whom: &Whom<'_>,
        offer: Offer,
    ) -> Result<Disclosed<Invitation>, InvitationError> {
        let mut tx = self.database.write(caller).await?;
        self.check(&mut tx, whom, offer).await?;
        let (written, email, user_id) = match whom {
            Whom::User(user) => {
                let written = repository::user_invite(&mut tx, organization, offer, *user, Some(caller.id())).await?;
                (written, None, Some(*user))
            }
            Whom::Address(email, address) => {
                let written = repository::address_invite(&mut tx, organization, offer, address, caller.id()).await?;
                // Enqueued always: the job checks whether the address has an account.
                tx.enqueue(&InvitationSend { invitation_id: written.id }).await?;
                (written, Some(Phi::from(email.as_str().to_owned())), None)
            }
        };
        let (invitation, events) = invited(offer, &written, email, user_id);
        Ok(tx.commit_sealed(Sealed::new(invitation), |_| events).await?)
    }

    /// Refuses an invitation that could not be accepted, as far as the caller may know the reason.
    async fn check(&self, tx: &mut WriteTx, whom: &Whom<'_>, offer: Offer) -> Result<(), InvitationError> {
        match offer {
            Offer::Membership(_) => {}
            Offer::Patient(patient) => match self.patients.links.user_of(tx, patient).await? {
                None => return Err(patient::absent(tx, patient).await.into()),
                Some(Some(_)) => return Err(PatientError::AlreadyLinked.into()),
                Some(None) => {}
            },
            Offer::Specialist(specialist) => match self.specialists.links.user_of(tx, specialist).await? {
                None => return Err(SpecialistError::NotFound.into()),
                Some(Some(_)) => return Err(SpecialistError::AlreadyLinked.into()),
                Some(None) => {}
            },
        }
        match (offer, whom, self.invited_member(tx, whom).await?) {
            (Offer::Membership(_), _, Some(_)) => Err(MemberError::AlreadyMember.into()),
            (Offer::Membership(_), Whom::User(user), None) => {
                // An id may name only a former member of the organization.
                self.members.find(tx, *user).await?.map(drop).ok_or(InvitationError::UserNotFound)
            }
            (_, Whom::User(_), None) => Err(no_member("").into()),
            (_, Whom::Address(..), None) => Ok(()),
            (_, _, Some((user, role))) => self.check_member(tx, user, role, offer.kind()).await,
        }
    }

    /// Returns the id and role of the person in the organization; `None` for somebody who is not a member.
    pub(super) async fn invited_member(
        &self,
        tx: &mut WriteTx,
        whom: &Whom<'_>,
    ) -> Result<Option<(UserId, MemberRole)>, DatabaseError> {
        match whom {
            Whom::User(user) => self.members.named(tx, Some(*user), None).await,
            Whom::Address(_, address) => self.members.named(tx, None, Some(&address.index)).await,
        }
    }

    /// Checks that a member can be linked to a record of this kind.
    pub(super) async fn check_member(
        &self,
        tx: &mut WriteTx,
        user: UserId,
        role: MemberRole,
        kind: InvitationKind,
    ) -> Result<(), InvitationError> {
        match (kind, role) {
            (InvitationKind::Membership, _) => Err(MemberError::AlreadyMember.into()),
            (InvitationKind::PatientLink, MemberRole::Patient) => {
                if self.patients.links.is_record_of(tx, user).await? {
                    return Err(PatientError::UserTaken.into());
                }
                Ok(())
            }
            (InvitationKind::SpecialistLink, MemberRole::Specialist) => {
                if self.specialists.links.is_record_of(tx, user).await? {
                    return Err(SpecialistError::UserTaken.into());
                }
                Ok(())
            }
            _ => Err(InvitationError::RoleConflict),
        }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        paging: Paging,
    ) -> Result<Disclosed<Page<Invitation>>, InvitationError> {
        let mut tx = self.database.disclose(caller).await?;
        let rows = repository::invitation_page(&mut tx, organization, paging).await?;
        let page = rows.try_map(|(rows, total)| {
            let opened = rows.iter().map(|row| self.open(row)).collect::<Result<Vec<_>, DatabaseError>>()?;
            Ok::<_, DatabaseError>(paging.page(opened, total))
        })?;
        Ok(tx.disclose(page, |page| Audit::read(page.data.iter().map(|invitation| &invitation.id))).await?)
    }

    pub(super) async fn revoke(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<(), InvitationError> {
        let mut tx = self.database.write(caller).await?;
        if !repository::invitation_revoke(&mut tx, organization, id).await? {
            return Err(InvitationError::NotFound);
        }
        tx.commit(InvitationEvent::Revoked(id)).await?;
        Ok(())
    }

    /// Returns the caller's open invitations from every organization; none during an impersonation.
    pub(crate) async fn of(&self, caller: &Person) -> Result<Vec<MyInvitation>, DatabaseError> {
        if caller.is_impersonated() {
            return Ok(Vec::new());
        }
        let mut reader = self.database.read(&caller.above_organizations()).open().await?;
        repository::invitations_of_caller(&mut reader).await
    }

    /// Returns the address of an open invitation, if no account has it: then the identity provider sends an e-mail.
    pub(super) async fn address_of_nobody(
        &self,
        caller: &Caller,
        id: InvitationId,
    ) -> Result<Option<Phi<String>>, DatabaseError> {
        let mut reader = self.database.read(caller).open().await?;
        let row = repository::unknown_address(&mut reader, id).await?;
        row.map(|row| self.address(&row)).transpose().map(Option::flatten)
    }

    /// Returns the person whom a body names, either by address or by id; `at` is the pointer to the two.
    pub(super) fn whom<'a>(
        &self,
        organization: OrganizationId,
        email: Option<&'a EmailAddress>,
        user: Option<UserId>,
        at: &str,
    ) -> Result<Whom<'a>, InvalidValue> {
        match (email, user) {
            (Some(email), None) => Ok(Whom::Address(email, self.seal(organization, email))),
            (None, Some(user)) => Ok(Whom::User(user)),
            _ => Err(InvalidValue::new(&format!("{at}/email"), "one_of", "give either email or user_id")),
        }
    }

    fn seal(&self, organization: OrganizationId, email: &EmailAddress) -> SealedAddress {
        let uid = Uuid::now_v7();
        let new = self.encryption.create(Holder::Invitation { organization, uid });
        let sealed = new.key.row(TABLE, uid).seal(EMAIL, Some(email.as_str()));
        SealedAddress { uid, index: self.users.email_index(email.as_str()), sealed, wrapped: new.wrapped }
    }

    fn address(&self, row: &InvitationRow) -> Result<Option<Phi<String>>, DatabaseError> {
        let Some(wrapped) = &row.data_key_wrapped else { return Ok(None) };
        let holder = Holder::Invitation { organization: row.organization_id, uid: row.uid };
        self.encryption.open(holder, wrapped)?.row(TABLE, row.uid).open(EMAIL, row.email_encrypted.as_deref())
    }

    fn open(&self, row: &InvitationRow) -> Result<Invitation, DatabaseError> {
        let email = self.address(row)?;
        Ok(Invitation {
            id: row.id,
            kind: row.kind,
            role: row.role,
            // The answer to an invited address must not disclose its user.
            user_id: if email.is_some() { None } else { row.user_id },
            email,
            patient_id: row.patient_id,
            specialist_id: row.specialist_id,
            status: row.status,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            created_at: row.created_at,
        })
    }
}

/// Returns the fault of a `user_id` below `at` that names no member.
pub(super) fn no_member(at: &str) -> InvalidValue {
    InvalidValue::new(&format!("{at}/user_id"), "unknown_reference", "is not a member of this organization")
}

/// Returns an invitation that was just written, and its events.
pub(super) fn invited(
    offer: Offer,
    written: &Written,
    email: Option<Phi<String>>,
    user_id: Option<UserId>,
) -> (Invitation, Events) {
    let invitation = Invitation {
        id: written.id,
        kind: offer.kind(),
        role: offer.role(),
        email,
        user_id,
        patient_id: offer.patient(),
        specialist_id: offer.specialist(),
        status: InvitationStatus::Pending,
        expires_at: written.expires_at,
        ended_at: None,
        created_at: written.created_at,
    };
    let made = if written.is_new { InvitationEvent::Created } else { InvitationEvent::Renewed };
    let requested = match offer {
        Offer::Membership(_) => None,
        Offer::Patient(patient) => Some(Events::from(PatientEvent::LinkRequested(patient))),
        Offer::Specialist(specialist) => Some(SpecialistEvent::LinkRequested(specialist).into()),
    };
    let events = Events::from(made(written.id)).and(requested).and(user_id.map(UserEvent::Invited));
    (invitation, events)
}

/// Deletes invitations that ended some time ago; returns their number.
pub(crate) async fn sweep(across: Across) -> Result<u64, DatabaseError> {
    repository::invitations_purge(&across, KEPT_DAYS).await
}
