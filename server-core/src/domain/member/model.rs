use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::mark::Phi;

use crate::ids::{Entity, UserId};

/// Role of a member in its organization.
///
/// - `admin`: administers the organization
/// - `specialist`: treats patients
/// - `staff`: works at the front desk
/// - `patient`: is treated
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum MemberRole {
    Admin,
    Specialist,
    Staff,
    Patient,
}

impl MemberRole {
    const ALL: [Self; 4] = [Self::Admin, Self::Specialist, Self::Staff, Self::Patient];

    /// Returns the role's name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }

    /// Returns the role with a name of the database.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Member of an organization.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Member {
    /// Id of the user.
    pub(crate) user_id: UserId,
    /// Display name of the user.
    pub(crate) name: Phi<String>,
    /// Verified e-mail address of the user.
    pub(crate) email: Option<Phi<String>>,
    /// Role of the user in the organization.
    pub(crate) role: MemberRole,
    /// Time at which the user became a member.
    pub(crate) since: DateTime<Utc>,
}

/// Membership of a user as the entity of audit rows, in the organization of the row.
#[derive(Debug, Clone)]
pub(crate) struct MembershipOf(pub(super) UserId);

impl Entity for MembershipOf {
    const TYPE: &'static str = "membership";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

impl Example for Member {
    fn example() -> Self {
        Self {
            user_id: UserId(12),
            name: "Fran Desk".to_owned().into(),
            email: Some("fran.desk@example.com".to_owned().into()),
            role: MemberRole::Staff,
            since: DateTime::UNIX_EPOCH + TimeDelta::days(20_500),
        }
    }
}

/// New role of a member.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateMember {
    /// New role of the member.
    pub(crate) role: MemberRole,
}

impl Example for UpdateMember {
    fn example() -> Self {
        Self { role: MemberRole::Staff }
    }
}

/// Invitation by the identity provider that was accepted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Id of the organization at the identity provider.
    pub(crate) organization: String,
    /// Id of the user at the identity provider.
    pub(crate) clerk_id: String,
    /// Role of the new member.
    pub(crate) role: MemberRole,
}
