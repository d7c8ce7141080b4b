use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{mark::Phi, value::EmailAddress};

use crate::{
    domain::member::MemberRole,
    ids::{InvitationId, OrganizationId, PatientId, SpecialistId, UserId},
};

/// Kind of an invitation.
///
/// - `membership`: invites the person to become a member of the organization
/// - `patient_link`: invites the person to sign in as a patient
/// - `specialist_link`: invites the person to sign in as a specialist
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum InvitationKind {
    Membership,
    PatientLink,
    SpecialistLink,
}

/// Status of an invitation.
///
/// - `pending`: not answered yet
/// - `expired`: not answered in time
/// - `accepted`: accepted by the person
/// - `declined`: declined by the person
/// - `revoked`: revoked by the organization
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum InvitationStatus {
    Pending,
    Expired,
    Accepted,
    Declined,
    Revoked,
}

/// Invitation, as shown to the organization. It does not disclose whether the person has an account.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Invitation {
    /// Id of the invitation.
    pub(crate) id: InvitationId,
    /// Kind of the invitation.
    pub(crate) kind: InvitationKind,
    /// Role that the person gets in the organization by accepting.
    pub(crate) role: MemberRole,
    /// Invited e-mail address, as it was typed; absent if a user was invited by id.
    pub(crate) email: Option<Phi<String>>,
    /// Id of the invited user; absent if an e-mail address was invited.
    pub(crate) user_id: Option<UserId>,
    /// Id of the patient record that is linked to the person's user on acceptance; absent for other kinds.
    pub(crate) patient_id: Option<PatientId>,
    /// Id of the specialist record that is linked to the person's user on acceptance; absent for other kinds.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Status of the invitation.
    pub(crate) status: InvitationStatus,
    /// Time at which the invitation expires, unless it is renewed.
    pub(crate) expires_at: DateTime<Utc>,
    /// Time at which the invitation was answered or revoked; absent before that.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Time at which the invitation was created.
    pub(crate) created_at: DateTime<Utc>,
}

impl Invitation {
    /// Returns an example of an invitation to sign in as a patient.
    pub(crate) fn of_patient(patient: PatientId) -> Self {
        let LinkRecord { email, .. } = LinkRecord::example();
        Self {
            kind: InvitationKind::PatientLink,
            role: MemberRole::Patient,
            email: email.map(|email| email.as_str().to_owned().into()),
            patient_id: Some(patient),
            ..Self::example()
        }
    }
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

/// Open invitation, as shown to the invited person. It does not name the record that the person would be linked to,
/// because the address may have been mistyped.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct MyInvitation {
    /// Id of the invitation.
    pub(crate) id: InvitationId,
    /// Kind of the invitation.
    pub(crate) kind: InvitationKind,
    /// Id of the organization that invites.
    pub(crate) organization_id: OrganizationId,
    /// Name of the organization.
    pub(crate) organization_name: String,
    /// Role that the person gets in the organization by accepting.
    pub(crate) role: MemberRole,
    /// Time at which the invitation expires, unless it is renewed.
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

/// Person to invite to an organization, by exactly one of `email` and `user_id`.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ConnectUser {
    /// E-mail address. Any user with this verified address can accept, even one who registers later.
    pub(crate) email: Option<EmailAddress>,
    /// Id of a former member of the organization.
    pub(crate) user_id: Option<UserId>,
    /// Role of the new member.
    pub(crate) role: MemberRole,
}

impl Example for ConnectUser {
    fn example() -> Self {
        let Invitation { role, .. } = Invitation::example();
        Self { email: Some(EmailAddress::from_static("fran.desk@example.com")), user_id: None, role }
    }
}

/// Person to be linked to a record, by exactly one of `email` and `user_id`.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct LinkRecord {
    /// E-mail address. Any user with this verified address can accept, even one who registers later.
    pub(crate) email: Option<EmailAddress>,
    /// Id of a member of the organization.
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

    /// Returns the role of the membership; a link implies the role of its kind of record.
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
