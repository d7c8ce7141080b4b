use crate::holding::{Fate, Found, HOLDING, Holding, PageKey, clear};

/// Personal data in jobs: the user who asked for each.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "jobs",
    found: Found::User("created_by"),
    page_key: PageKey::Uuid("id"),
    columns: &[clear("created_by"), clear("kind"), clear("created_at")],
    erase: Fate::Anonymize("created_by = null"),
    anonymize: Fate::Anonymize("created_by = null"),
    ..HOLDING
}];
