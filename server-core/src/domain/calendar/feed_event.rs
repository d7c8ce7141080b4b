//! Events of calendar feeds.

use crate::{event::events, ids::CalendarFeedId};

events! {
    /// Something that happened to a calendar feed.
    CalendarFeedEvent of CalendarFeedId {
        /// A member has a link to its calendar.
        Created => "created",
        /// The link opens nothing any more.
        Revoked => "revoked",
    }
}
