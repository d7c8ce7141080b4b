//! Sessions that ended before their tokens did.
//!
//! A token lives for a minute, and nothing calls it back; so each request asks whether its session has
//! ended. The answer is remembered like everything else about callers: a session seen a moment ago costs
//! no query, one that ended is refused at once where that was recorded and within a second elsewhere.

use std::sync::Arc;

use super::repository;
use crate::{
    database::{Across, DatabaseError},
    identity::{Listeners, Remembers},
    remembered::Remembered,
};

/// Knows which sessions have ended.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Inner>);

struct Inner {
    across: Across,
    /// By `sid`, whether it has ended.
    ended: Remembered<bool>,
}

impl Sessions {
    /// Asks the owner's pool: it is before there is a context.
    pub(crate) fn new(across: Across) -> Self {
        Self(Arc::new(Inner { across, ended: Remembered::new() }))
    }

    /// Registers the cache with `listeners`, who tell it which sessions have ended.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("session", Arc::<Inner>::clone(&self.0));
    }

    /// Whether the session has ended.
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
