use crate::holding::{Found, HOLDING, Holding, clear};

/// Personal data in links to calendars.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "calendar_feeds",
    found: Found::User("user_id"),
    columns: &[clear("user_id"), clear("created_at")],
    ..HOLDING
}];
