//! People and Core, as callers.

use serde::Deserialize;
use server_shared::mark::Door;

use super::Denied;

/// Role of a person in the organization of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Runs the platform.
    Superadmin,
    /// Runs the organization.
    Admin,
    /// Treats patients.
    Specialist,
    /// Front desk.
    Staff,
    /// Is treated.
    Patient,
}

impl Role {
    /// As tokens, rows and the database context write it.
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

/// A person, as Core's token says; nothing of it ever comes from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization it acts in; only a superadmin may have none.
    pub organization_id: Option<i64>,
    /// The role there.
    pub role: Role,
}

/// A person acting in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Id of the organization.
    pub organization_id: i64,
    /// The role there.
    pub role: Role,
}

impl Person {
    /// The person in its organization; refuses a superadmin who is in none.
    pub(crate) fn member(&self) -> Result<Member, Denied> {
        let Some(organization_id) = self.organization_id else {
            return Err(Denied::NoOrganization);
        };
        Ok(Member { user_id: self.user_id, organization_id, role: self.role })
    }

    /// Refuses everybody but those who run the organization or the platform.
    pub(crate) fn must_administrate(&self) -> Result<(), Denied> {
        match self.role {
            Role::Admin | Role::Superadmin => Ok(()),
            Role::Specialist | Role::Staff | Role::Patient => Err(Denied::NotAdministrator),
        }
    }
}

/// Core, with the service token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service(());

/// Core asks for what is protected only when it has written the audit entry for it.
impl Door for Service {}

/// The caller of a request, as the gate found it out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    /// A person with a telemetry token.
    Person(Person),
    /// Core.
    Service,
}

impl Caller {
    /// Returns Core, if it calls.
    pub(crate) fn service(self) -> Option<Service> {
        matches!(self, Self::Service).then_some(Service(()))
    }
}
