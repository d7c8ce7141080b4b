//! Events of sessions.

use super::service::SessionOf;
use crate::event::events;

events! {
    /// Event of a session.
    SessionEvent of SessionOf {
        /// The session has begun.
        Created => "created",
        /// The session has ended.
        Ended => "ended",
    }
}
