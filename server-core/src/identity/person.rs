//! Callers that are persons.

use std::{ops::Deref, sync::Arc};

use super::{Caller, Capacity, Credential, Denied, Identity};
use crate::ids::{OrganizationId, UserId};

/// Caller that is a person, for operations that programs have no use for: API keys get 403 there, whatever their
/// scopes.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    caller: Caller,
    /// The user, with every membership.
    identity: Arc<Identity>,
}

impl Person {
    /// Returns the caller as a person; `None` for an API key or the service itself.
    pub(crate) fn of(caller: Caller) -> Option<Self> {
        let identity = match &caller.credential {
            Credential::Session(identity, _) | Credential::Impersonation(identity) | Credential::Feed(identity) => {
                Arc::clone(identity)
            }
            Credential::ApiKey(_) | Credential::System => return None,
        };
        Some(Self { caller, identity })
    }

    /// Returns the id of the user.
    pub(crate) fn id(&self) -> UserId {
        self.identity.user_id
    }

    /// Returns the user, with every membership.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the identity provider's id of the session; `None` for a caller without one.
    pub(crate) fn session(&self) -> Option<&str> {
        if let Credential::Session(_, session) = &self.caller.credential { Some(&session.id) } else { None }
    }

    /// Fails with 403 while an administrator acts as the person.
    pub(crate) fn in_person(&self) -> Result<(), Denied> {
        if self.is_impersonated() {
            return Err(Denied::Impersonated);
        }
        Ok(())
    }

    /// Returns the person without an organization, for operations on the account rather than on a clinic.
    ///
    /// While an administrator acts as the person, the organization is kept: operations on the account are not for the
    /// administrator.
    pub(crate) fn above_organizations(&self) -> Caller {
        if self.is_impersonated() {
            return self.caller.clone();
        }
        let mut person = self.caller.clone();
        person.place(None);
        person.capacity = self.identity.superadmin.then_some(Capacity::Superadmin);
        person
    }

    /// Returns the person in another organization; `None` if the person is not a member of it.
    pub(crate) fn in_organization(&self, organization: OrganizationId) -> Option<Self> {
        let membership = self.identity.memberships.iter().find(|m| m.organization_id == organization);
        let mut person = self.clone();
        person.caller.place(Some(organization));
        person.caller.capacity = Some(match membership {
            _ if self.identity.superadmin => Capacity::Superadmin,
            Some(membership) => membership.capacity,
            None => return None,
        });
        Some(person)
    }

    /// Returns the caller, as the database and the request gate take it.
    pub(crate) fn into_caller(self) -> Caller {
        self.caller
    }
}

impl Deref for Person {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
