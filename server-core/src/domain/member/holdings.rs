use crate::holding::{Found, HOLDING, Holding, PageKey, clear};

/// Personal data in memberships.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "memberships",
    found: Found::User("user_id"),
    page_key: PageKey::Number("organization_id"),
    columns: &[clear("user_id"), clear("role"), clear("created_at")],
    ..HOLDING
}];
