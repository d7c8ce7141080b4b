use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::mark::Phi;

use crate::ids::{Entity, UserId};

/// What a member is in its organization. Running the platform is no membership, so nobody can grant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum MemberRole {
    /// Runs the clinic.
    Admin,
    /// Treats patients.
    Specialist,
    /// Front desk.
    Staff,
    /// Is treated.
    Patient,
}

impl MemberRole {
    const ALL: [Self; 4] = [Self::Admin, Self::Specialist, Self::Staff, Self::Patient];

    /// As the database writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }

    /// The role that the database calls so.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A person who belongs to an organization.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Member {
    /// The user.
    pub(crate) user_id: UserId,
    /// Name that the user goes by.
    pub(crate) name: Phi<String>,
    /// The e-mail address that the user has proved to own.
    pub(crate) email: Option<Phi<String>>,
    /// What the user is in the organization.
    pub(crate) role: MemberRole,
    /// Since when the user belongs to it.
    pub(crate) since: DateTime<Utc>,
}

/// A user's membership in the organization of the audit row.
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

/// What a member is from now on.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateMember {
    /// The role.
    pub(crate) role: MemberRole,
}

impl Example for UpdateMember {
    fn example() -> Self {
        Self { role: MemberRole::Staff }
    }
}

/// An invitation of the identity provider's, accepted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// The organization, as the identity provider calls it.
    pub(crate) organization: String,
    /// Who accepted, as the identity provider calls it.
    pub(crate) clerk_id: String,
    /// As what.
    pub(crate) role: MemberRole,
}
