//! Changes to callers, told to what remembers callers.
//!
//! A process hears of every change twice: from the database, whoever made it, and from its own
//! transaction, before the request that made it is answered.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::ids::{ApiKeyId, ImpersonationId, OrganizationId, UserId};

/// A change of something that processes remember about callers and their organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A user, or one of its memberships and records.
    User(UserId),
    /// Any number of users: the name of an organization is part of each of its members.
    Users,
    /// A session has ended; its id at the identity provider.
    Session(String),
    /// An API key.
    ApiKey(ApiKeyId),
    /// An impersonation.
    Impersonation(ImpersonationId),
    /// The audience of an organization.
    Audience(OrganizationId),
}

impl Changed {
    /// The kind of changes to who listens.
    pub(crate) const AUDIENCE: &str = "audience";

    /// The kind and id by which listeners know it: the two parts of a notification of the database's.
    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::User(user) => ("user", user.to_string()),
            Self::Users => ("user", "all".to_owned()),
            Self::Session(sid) => ("session", sid.clone()),
            Self::ApiKey(key) => ("api_key", key.to_string()),
            Self::Impersonation(impersonation) => ("impersonation", impersonation.to_string()),
            Self::Audience(organization) => (Self::AUDIENCE, organization.to_string()),
        }
    }
}

/// Something that remembers rows and is told when they change.
pub(crate) trait Remembers: Send + Sync {
    /// The row with this id changed.
    fn changed(&self, id: &str);

    /// Anything may have changed.
    fn forget_all(&self);

    /// Tells whether changes are heard of from now on; while not, nothing may be remembered.
    fn hearing(&self, hearing: bool);
}

/// Everything in this process that remembers callers. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<RwLock<Vec<Listener>>>);

type Listener = (&'static str, Arc<dyn Remembers>);

impl Listeners {
    /// Adds a listener for changes of one kind.
    pub(crate) fn add(&self, kind: &'static str, listener: Arc<dyn Remembers>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((kind, listener));
    }

    /// Tells what this process has committed.
    pub(crate) fn tell(&self, changed: &Changed) {
        let (kind, id) = changed.parts();
        self.tell_of(kind, &id);
    }

    /// Tells what the database said of a row.
    pub(crate) fn tell_of(&self, kind: &str, id: &str) {
        self.each(|of, listener| {
            if of == kind {
                listener.changed(id);
            }
        });
    }

    /// Does something with every listener.
    pub(crate) fn each(&self, act: impl Fn(&str, &dyn Remembers)) {
        // Read once: a listener that adds another one must not wait for itself.
        let listeners = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (kind, listener) in &listeners {
            act(kind, listener.as_ref());
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}
