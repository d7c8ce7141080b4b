//! Caller of a request: a person in an organization or above organizations, or a program with an API key.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Actor, ApiKeyGrant, Capacity, Denied, Identity, Origin, Permission, Role};
use crate::ids::{OrganizationId, PatientId, SpecialistId, UserId};

/// Credential with which a caller authenticated.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Session of the identity provider, and its user.
    Session(Arc<Identity>, Session),
    /// Token with which an administrator acts as this patient.
    Impersonation(Arc<Identity>),
    /// Calendar link of this person.
    Feed(Arc<Identity>),
    /// API key of an organization.
    ApiKey(Arc<ApiKeyGrant>),
    /// No credential: the service acts by itself.
    System,
}

/// Session of the identity provider.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The provider's id of the session.
    pub(crate) id: Arc<str>,
    /// Time at which the user last proved its identity; `None` if the provider does not tell.
    pub(crate) authenticated_at: Option<DateTime<Utc>>,
}

/// Caller of a request. Authentication creates it, handlers take it, and the database requires it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// User; `None` for an API key.
    pub(crate) user_id: Option<UserId>,
    /// Organization of the request, if there is one.
    pub(crate) organization: Option<OrganizationId>,
    /// Role of the user in the organization, with the record of the role. `None` for a person in no organization, who
    /// has no permission there, and for an API key, which has scopes instead.
    pub(crate) capacity: Option<Capacity>,
    /// Credential with which the caller authenticated.
    pub(crate) credential: Credential,
    /// Actor and origin of the request, for its audit rows.
    pub(crate) request: Origin,
}

impl Caller {
    /// Returns the service as the caller, for work on a request that has no caller of its own.
    pub(crate) fn system(request: Origin) -> Self {
        Self::service(request)
    }

    /// Returns the service as the caller, for a job of an organization, or of none.
    pub(crate) fn job(organization: Option<OrganizationId>, operation_id: &'static str, job: Uuid) -> Self {
        Self::service(Origin { organization, ..Origin::own(Actor::System, operation_id, job) })
    }

    fn service(request: Origin) -> Self {
        Self {
            user_id: None,
            organization: request.organization,
            capacity: None,
            credential: Credential::System,
            request,
        }
    }

    /// Returns the caller with the owner's access to the database, for data that its permission lets it see or change
    /// though the policies of the application role hide it. It stays bound to the caller's organization, and audit rows
    /// name the caller.
    pub(crate) fn privileged(&self) -> Self {
        Self { credential: Credential::System, ..self.clone() }
    }

    /// Returns the role of the user in the organization.
    pub(crate) fn role(&self) -> Option<Role> {
        self.capacity.map(Capacity::role)
    }

    /// Returns the patient record of a user who is a patient in the organization.
    pub(crate) fn patient_id(&self) -> Option<PatientId> {
        self.capacity.and_then(Capacity::patient_id)
    }

    /// Returns the specialist record of a user who is a specialist in the organization.
    pub(crate) fn specialist_id(&self) -> Option<SpecialistId> {
        self.capacity.and_then(Capacity::specialist_id)
    }

    /// Checks the permission: fails with 403 unless the role or the scopes of the API key include it and the caller is
    /// in an organization. Permissions on the platform as a whole need no organization.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), Denied> {
        let above = permission == Permission::OrganizationCreate
            // A superadmin manages a person's data in every organization at once.
            || permission == Permission::GdprManage && self.role() == Some(Role::Superadmin);
        if !above {
            self.organization()?;
        }
        if let Credential::ApiKey(grant) = &self.credential {
            let scope = permission.scope();
            if Role::Staff.may(permission) && scope.is_some_and(|scope| grant.scopes.contains(&scope)) {
                return Ok(());
            }
            return Err(Denied::Key { permission, scope });
        }
        if self.role().is_some_and(|role| role.may(permission)) {
            return Ok(());
        }
        // Only a person in no organization gets here without a role; the error names that reason.
        self.organization()?;
        Err(Denied::Role { permission, role: self.role() })
    }

    /// Returns the organization of the request; fails with 403 if there is none.
    pub(crate) fn organization(&self) -> Result<OrganizationId, Denied> {
        self.organization.ok_or(Denied::NoOrganization)
    }

    /// Returns the role in the context that policies compare.
    pub(crate) fn context_role(&self) -> &'static str {
        match &self.credential {
            Credential::ApiKey(_) => "api_key",
            Credential::System => "system",
            Credential::Session(..) | Credential::Impersonation(_) | Credential::Feed(_) => {
                self.role().map_or("", Role::as_str)
            }
        }
    }

    /// Returns true if the caller's statements run as the owner: those of superadmins and of the service itself.
    pub(crate) fn is_privileged(&self) -> bool {
        self.role() == Some(Role::Superadmin) || matches!(self.credential, Credential::System)
    }

    /// Returns the role and the scopes as text, to notice that the caller's permissions have changed.
    pub(crate) fn authority(&self) -> String {
        let scopes: &[_] = if let Credential::ApiKey(grant) = &self.credential { &grant.scopes } else { &[] };
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.as_text()).collect();
        format!("{}:{}", self.context_role(), scopes.join(","))
    }

    /// Returns the time at which the user of the session last proved its identity; `None` if there is no session, or the
    /// identity provider does not tell.
    pub(crate) fn authenticated_at(&self) -> Option<DateTime<Utc>> {
        if let Credential::Session(_, session) = &self.credential { session.authenticated_at } else { None }
    }

    /// Returns true if an administrator acts as the user.
    pub(crate) fn is_impersonated(&self) -> bool {
        matches!(self.credential, Credential::Impersonation(_))
    }

    /// Moves the caller to another organization, or above organizations.
    pub(super) fn place(&mut self, organization: Option<OrganizationId>) {
        self.organization = organization;
        self.request.organization = organization;
    }
}
