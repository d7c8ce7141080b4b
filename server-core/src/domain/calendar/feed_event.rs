//! Events of calendar feeds.

use crate::{event::events, ids::CalendarFeedId};

events! {
    /// Event of a calendar feed.
    CalendarFeedEvent of CalendarFeedId {
        /// It was created or got a new token.
        Created => "created",
        /// Its token was revoked.
        Revoked => "revoked",
    }
}
