//! Sessions that ended before their tokens did.
//!
//! A token is valid for a minute and can't be revoked, so each request checks that its session has not ended. The
//! result is cached like other data of callers: a session seen a moment ago costs no query. An ended session is
//! refused at once by the process that recorded it, and within a second by the others.

use std::sync::Arc;

use super::repository;
use crate::{
    database::{Across, DatabaseError},
    identity::{Listeners, Remembers},
    remembered::Remembered,
};

/// Finds and caches ended sessions.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Inner>);

struct Inner {
    across: Across,
    /// `true` for an ended session, by `sid`.
    ended: Remembered<bool>,
}

impl Sessions {
    /// Reads on the owner's pool, because there is no context yet.
    pub(crate) fn new(across: Across) -> Self {
        Self(Arc::new(Inner { across, ended: Remembered::new() }))
    }

    /// Registers the cache with `listeners`, which report ended sessions.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("session", Arc::<Inner>::clone(&self.0));
    }

    /// Returns true if the session has ended.
    pub(crate) async fn ended(&self, sid: &str) -> Result<bool, DatabaseError> {
        let inner = &self.0;
        if let Some(ended) = inner.ended.get(sid) {
            return Ok(*ended);
        }
        let begun = inner.ended.begin();
        let ended = repository::session_ended(&inner.across, sid).await?;
        inner.ended.keep(begun, sid, &Arc::new(ended));
        Ok(ended)
    }
}

impl Remembers for Inner {
    fn changed(&self, id: &str) {
        self.ended.forget(Some(id));
    }

    fn forget_all(&self) {
        self.ended.forget_all();
    }

    fn hearing(&self, hearing: bool) {
        self.ended.hearing(hearing);
    }
}
