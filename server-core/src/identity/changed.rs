//! Notifications of changes to callers, for the caches of this process.
//!
//! A process is notified of its own changes twice: by the transaction, before the request that made the change is
//! answered, and by the database, which notifies every process of every change.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::ids::{ApiKeyId, ImpersonationId, OrganizationId, UserId};

/// Change of something about callers or their organizations that processes cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A user, or one of the user's memberships or records.
    User(UserId),
    /// Any number of users: the name of an organization is cached with each of its members.
    Users,
    /// A session that ended, by its id at the identity provider.
    Session(String),
    /// An API key.
    ApiKey(ApiKeyId),
    /// An impersonation.
    Impersonation(ImpersonationId),
    /// The listeners of an organization.
    Audience(OrganizationId),
}

impl Changed {
    /// Kind of the changes to listeners.
    pub(crate) const AUDIENCE: &str = "audience";

    /// Returns the kind and the id, which are the two parts of a notification by the database.
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

/// Cache of rows that is notified of their changes.
pub(crate) trait Remembers: Send + Sync {
    /// Handles a change of the row with this id.
    fn changed(&self, id: &str);

    /// Drops everything, because any row may have changed.
    fn forget_all(&self);

    /// Sets whether notifications arrive from now on; while they don't, nothing may be cached.
    fn hearing(&self, hearing: bool);
}

/// Caches of callers in this process. Clones share the same list.
#[derive(Clone, Default)]
pub(crate) struct Listeners(Arc<RwLock<Vec<Listener>>>);

type Listener = (&'static str, Arc<dyn Remembers>);

impl Listeners {
    /// Adds a listener for changes of one kind.
    pub(crate) fn add(&self, kind: &'static str, listener: Arc<dyn Remembers>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((kind, listener));
    }

    /// Notifies listeners of a change that this process has committed.
    pub(crate) fn tell(&self, changed: &Changed) {
        let (kind, id) = changed.parts();
        self.tell_of(kind, &id);
    }

    /// Notifies listeners of a change that the database has announced.
    pub(crate) fn tell_of(&self, kind: &str, id: &str) {
        self.each(|of, listener| {
            if of == kind {
                listener.changed(id);
            }
        });
    }

    /// Calls `act` with every listener.
    pub(crate) fn each(&self, act: impl Fn(&str, &dyn Remembers)) {
        // Cloned first: a listener that adds another one must not wait for its own lock.
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
