//! Cache of users and their memberships, so that a frequent caller costs no query.

use std::sync::Arc;

use moka::sync::Cache;

use super::repository;
use crate::{
    database::{Across, DatabaseError},
    identity::{Identity, Listeners, Remembers},
    remembered::{CAPACITY, Remembered, TIME_TO_LIVE},
};

/// Finds and caches identities.
#[derive(Clone)]
pub(crate) struct Identities(Arc<Inner>);

struct Inner {
    across: Across,
    by_subject: Remembered<Identity>,
    /// Subjects of the cached users by user id, because changes are reported by id.
    subject_of: Cache<i64, String>,
}

impl Identities {
    /// Loads from the owner's pool, because the caller is needed to make a context.
    pub(crate) fn new(across: Across) -> Self {
        Self(Arc::new(Inner {
            across,
            by_subject: Remembered::new(),
            subject_of: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
        }))
    }

    /// Registers the cache with `listeners`, which report changed users.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("user", Arc::<Inner>::clone(&self.0));
    }

    /// Returns the user with this `subject` at the identity provider.
    pub(crate) async fn find(&self, subject: &str) -> Result<Option<Arc<Identity>>, DatabaseError> {
        let inner = &self.0;
        if let Some(identity) = inner.by_subject.get(subject) {
            return Ok(Some(identity));
        }
        let begun = inner.by_subject.begin();
        let Some(identity) = repository::identity_find(&inner.across, subject).await?.map(Arc::new) else {
            return Ok(None);
        };
        inner.subject_of.insert(identity.user_id.0, subject.to_owned());
        inner.by_subject.keep(begun, subject, &identity);
        Ok(Some(identity))
    }
}

impl Remembers for Inner {
    fn changed(&self, id: &str) {
        match id.parse::<i64>() {
            Ok(user) => self.by_subject.forget(self.subject_of.get(&user).as_deref()),
            Err(_) => self.forget_all(),
        }
    }

    fn forget_all(&self) {
        self.by_subject.forget_all();
    }

    fn hearing(&self, hearing: bool) {
        self.by_subject.hearing(hearing);
    }
}
