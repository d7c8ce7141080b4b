use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{mark::Phi, value::EmailAddress};

use crate::{
    domain::member::MemberRole,
    ids::{InvitationId, OrganizationId, PatientId, SpecialistId, UserId},
};

/// Kind of an invitation: to become a member, or to own a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum InvitationKind {
    /// To become a member of the organization.
    Membership,
    /// To have a patient record as its own.
    PatientLink,
    /// To have a specialist record as its own.
    SpecialistLink,
}

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum InvitationStatus {
    /// Nobody has answered.
    Pending,
    /// Nobody has answered in time.
    Expired,
    /// The person accepted.
    Accepted,
    /// The person declined.
    Declined,
    /// The organization took it back.
    Revoked,
}

/// An invitation as the organization sees it. It tells nobody whether the person has an account.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Invitation {
    /// Its id.
    pub(crate) id: InvitationId,
    /// Kind of the invitation.
    pub(crate) kind: InvitationKind,
    /// Role that the person is to have in the organization.
    pub(crate) role: MemberRole,
    /// The e-mail address as it was typed; absent for who was invited by its id.
    pub(crate) email: Option<Phi<String>>,
    /// The user; absent for who was invited by an address.
    pub(crate) user_id: Option<UserId>,
    /// The patient record that is to be the person's own.
    pub(crate) patient_id: Option<PatientId>,
    /// The specialist record that is to be the person's own.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Where it stands.
    pub(crate) status: InvitationStatus,
    /// When it stops being good, unless it is renewed.
    pub(crate) expires_at: DateTime<Utc>,
    /// When it was answered or taken back.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// When it was first made.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for Invitation {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            id: InvitationId(5),
            kind: InvitationKind::Membership,
            role: MemberRole::Staff,
            email: Some("fran.desk@example.com".to_owned().into()),
            user_id: None,
            patient_id: None,
            specialist_id: None,
            status: InvitationStatus::Pending,
            expires_at: created_at + TimeDelta::days(14),
            ended_at: None,
            created_at,
        }
    }
}

/// An open invitation as the invited person sees it. Whose record a link is about shows once it is accepted:
/// the address may have been mistyped.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct MyInvitation {
    /// Its id.
    pub(crate) id: InvitationId,
    /// Kind of the invitation.
    pub(crate) kind: InvitationKind,
    /// The organization that invites.
    pub(crate) organization_id: OrganizationId,
    /// The organization's name.
    pub(crate) organization_name: String,
    /// Role that the person is to have in the organization.
    pub(crate) role: MemberRole,
    /// When it stops being good, unless it is renewed.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Example for MyInvitation {
    fn example() -> Self {
        let Invitation { id, kind, role, expires_at, .. } = Invitation::example();
        Self {
            id,
            kind,
            organization_id: OrganizationId(1),
            organization_name: "Riverside Rehabilitation".to_owned(),
            role,
            expires_at,
        }
    }
}

/// Whom to invite to an organization: exactly one of `email` and `user_id` says it.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ConnectUser {
    /// An e-mail address: whoever has proved to own it, or will, can accept.
    pub(crate) email: Option<EmailAddress>,
    /// Somebody who was a member of the organization before.
    pub(crate) user_id: Option<UserId>,
    /// Role that the person is to have.
    pub(crate) role: MemberRole,
}

impl Example for ConnectUser {
    fn example() -> Self {
        let Invitation { role, .. } = Invitation::example();
        Self { email: Some(EmailAddress::from_static("fran.desk@example.com")), user_id: None, role }
    }
}

/// The person who is to own a record: exactly one of `email` and `user_id`.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct LinkRecord {
    /// An e-mail address: whoever has proved to own it, or will, can accept.
    pub(crate) email: Option<EmailAddress>,
    /// A member of the organization.
    pub(crate) user_id: Option<UserId>,
}

impl Example for LinkRecord {
    fn example() -> Self {
        Self { email: Some(EmailAddress::from_static("grace.sample@example.com")), user_id: None }
    }
}

/// Offer of an invitation: a membership, or the link to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Membership(MemberRole),
    Patient(PatientId),
    Specialist(SpecialistId),
}

impl Offer {
    pub(super) fn kind(self) -> InvitationKind {
        match self {
            Self::Membership(_) => InvitationKind::Membership,
            Self::Patient(_) => InvitationKind::PatientLink,
            Self::Specialist(_) => InvitationKind::SpecialistLink,
        }
    }

    /// Records belong to the role that they are given for.
    pub(super) fn role(self) -> MemberRole {
        match self {
            Self::Membership(role) => role,
            Self::Patient(_) => MemberRole::Patient,
            Self::Specialist(_) => MemberRole::Specialist,
        }
    }

    pub(super) fn patient(self) -> Option<PatientId> {
        if let Self::Patient(id) = self { Some(id) } else { None }
    }

    pub(super) fn specialist(self) -> Option<SpecialistId> {
        if let Self::Specialist(id) = self { Some(id) } else { None }
    }
}
