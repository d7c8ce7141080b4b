//! The caller of a request: a person in an organization or above them, or a program with a key.

use std::sync::Arc;

use uuid::Uuid;

use super::{Actor, ApiKeyGrant, Capacity, Denied, Identity, Origin, Permission, Role};
use crate::ids::{OrganizationId, PatientId, SpecialistId, UserId};

/// How a caller proved who it is.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// A session of the identity provider's, and what it calls the session.
    Session(Arc<Identity>, Arc<str>),
    /// An administrator's token to act as this patient.
    Impersonation(Arc<Identity>),
    /// The link to this person's calendar.
    Feed(Arc<Identity>),
    /// An organization's key.
    ApiKey(Arc<ApiKeyGrant>),
    /// None: the service acts by itself.
    System,
}

/// The caller of a request: left by authentication, taken by handlers, demanded by the database.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user; a key has none.
    pub(crate) user_id: Option<UserId>,
    /// The organization of the request, if there is one.
    pub(crate) organization: Option<OrganizationId>,
    /// Role of the user in it, with its record; `None` for a person in no organization, who may do nothing there, and
    /// for a key, which has scopes instead.
    pub(crate) capacity: Option<Capacity>,
    /// How the caller is known.
    pub(crate) credential: Credential,
    /// Actor and origin of the request, for its audit rows.
    pub(crate) request: Origin,
}

impl Caller {
    /// The service itself, above organizations, at work on what a request without a caller told it.
    pub(crate) fn system(request: Origin) -> Self {
        Self::service(request)
    }

    /// The service itself, at work on a job of an organization, or above them.
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

    /// For what the caller may see or do by its permission, though policies on the application role hide
    /// it: runs as the owner, still bound to the caller's organization. Audit rows name the caller.
    pub(crate) fn privileged(&self) -> Self {
        Self { credential: Credential::System, ..self.clone() }
    }

    /// The role of the user in the organization.
    pub(crate) fn role(&self) -> Option<Role> {
        self.capacity.map(Capacity::role)
    }

    /// The patient record of the user, who is a patient in the organization.
    pub(crate) fn patient_id(&self) -> Option<PatientId> {
        self.capacity.and_then(Capacity::patient_id)
    }

    /// The specialist record of the user, who is a specialist in the organization.
    pub(crate) fn specialist_id(&self) -> Option<SpecialistId> {
        self.capacity.and_then(Capacity::specialist_id)
    }

    /// 403 unless the caller is in an organization (but for what concerns the platform) and its role
    /// or its key's scopes have the permission.
    pub(crate) fn may(&self, permission: Permission) -> Result<(), Denied> {
        let above = permission == Permission::OrganizationCreate
            // Who runs the platform manages the data of a person in every organization at once.
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
        // A person of no role is in no organization, and is told so; nobody else without one comes here.
        self.organization()?;
        Err(Denied::Role { permission, role: self.role() })
    }

    /// The organization of the request; 403 when there is none.
    pub(crate) fn organization(&self) -> Result<OrganizationId, Denied> {
        self.organization.ok_or(Denied::NoOrganization)
    }

    /// Returns the role of the context that policies compare with.
    pub(crate) fn context_role(&self) -> &'static str {
        match &self.credential {
            Credential::ApiKey(_) => "api_key",
            Credential::System => "system",
            Credential::Session(..) | Credential::Impersonation(_) | Credential::Feed(_) => {
                self.role().map_or("", Role::as_str)
            }
        }
    }

    /// Whether the caller's statements run as the owner: those of superadmins and of the service itself.
    pub(crate) fn is_privileged(&self) -> bool {
        self.role() == Some(Role::Superadmin) || matches!(self.credential, Credential::System)
    }

    /// Returns a text that changes whenever what the caller may do changes.
    pub(crate) fn standing(&self) -> String {
        let scopes: &[_] = if let Credential::ApiKey(grant) = &self.credential { &grant.scopes } else { &[] };
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.as_text()).collect();
        format!("{}:{}", self.context_role(), scopes.join(","))
    }

    /// Whether an administrator acts as the user.
    pub(crate) fn is_impersonated(&self) -> bool {
        matches!(self.credential, Credential::Impersonation(_))
    }

    /// Moves the caller to another organization, or above all of them.
    pub(super) fn place(&mut self, organization: Option<OrganizationId>) {
        self.organization = organization;
        self.request.organization = organization;
    }
}
