//! Callers: people and Core.

use serde::Deserialize;
use server_shared::mark::Door;

use super::Denied;

/// Role of a person in the organization of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Administrator of the platform.
    Superadmin,
    /// Administrator of the organization.
    Admin,
    /// Specialist who treats patients.
    Specialist,
    /// Front desk staff.
    Staff,
    /// Patient.
    Patient,
}

impl Role {
    /// Returns the name that tokens, rows and the database context use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }
}

/// Person as Core's token states it; no part of it comes from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization in which the person acts; only a superadmin may have none.
    pub organization_id: Option<i64>,
    /// Role of the person in that organization.
    pub role: Role,
}

/// A person acting in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization.
    pub organization_id: i64,
    /// Role of the person in that organization.
    pub role: Role,
}

impl Person {
    /// Returns the person as a member of its organization; refuses a superadmin who is in none.
    pub(crate) fn member(&self) -> Result<Member, Denied> {
        let Some(organization_id) = self.organization_id else {
            return Err(Denied::NoOrganization);
        };
        Ok(Member { user_id: self.user_id, organization_id, role: self.role })
    }

    /// Refuses everybody except administrators of the organization and superadmins.
    pub(crate) fn must_administrate(&self) -> Result<(), Denied> {
        match self.role {
            Role::Admin | Role::Superadmin => Ok(()),
            Role::Specialist | Role::Staff | Role::Patient => Err(Denied::NotAdministrator),
        }
    }
}

/// Core, authenticated with the service token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service(());

/// Core writes its own audit entry before it asks for protected data.
impl Door for Service {}

/// Caller of a request, as the gate authenticated it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// Person with a telemetry token.
    Person(Person),
    /// Core.
    Service,
}

impl Caller {
    /// Returns Core if it is the caller.
    pub(crate) fn service(self) -> Option<Service> {
        matches!(self, Self::Service).then_some(Service(()))
    }
}
