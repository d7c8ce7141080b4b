//! A caller that is a person.

use std::{ops::Deref, sync::Arc};

use super::{Caller, Capacity, Credential, Denied, Identity};
use crate::ids::{OrganizationId, UserId};

/// A caller that is a person, where a program has no business: keys get 403 here, whatever their
/// scopes.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    caller: Caller,
    /// The user with every membership.
    identity: Arc<Identity>,
}

impl Person {
    /// `None` for a key.
    pub(crate) fn of(caller: Caller) -> Option<Self> {
        let identity = match &caller.credential {
            Credential::Session(identity, _) | Credential::Impersonation(identity) | Credential::Feed(identity) => {
                Arc::clone(identity)
            }
            Credential::ApiKey(_) | Credential::System => return None,
        };
        Some(Self { caller, identity })
    }

    /// The user.
    pub(crate) fn id(&self) -> UserId {
        self.identity.user_id
    }

    /// The user with every membership.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the identity provider's id of the session; `None` for a caller without one.
    pub(crate) fn session(&self) -> Option<&str> {
        if let Credential::Session(_, sid) = &self.caller.credential { Some(sid) } else { None }
    }

    /// 403 while an administrator acts as the person.
    pub(crate) fn in_person(&self) -> Result<(), Denied> {
        if self.is_impersonated() {
            return Err(Denied::Impersonated);
        }
        Ok(())
    }

    /// The same person, with no organization: what concerns its account rather than a clinic.
    ///
    /// Acted as by an administrator, it stays where it is: what concerns the account is not for them.
    pub(crate) fn above_organizations(&self) -> Caller {
        if self.is_impersonated() {
            return self.caller.clone();
        }
        let mut person = self.caller.clone();
        person.place(None);
        person.capacity = self.identity.superadmin.then_some(Capacity::Superadmin);
        person
    }

    /// The same person in another of its organizations; `None` when it is no member.
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

    /// As the database and the gate take it.
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
