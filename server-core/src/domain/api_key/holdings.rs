use crate::holding::{Fate, Found, HOLDING, Holding, clear};

/// Personal data in API keys: the users who created them.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "api_keys",
    found: Found::User("created_by"),
    columns: &[clear("created_by"), clear("created_at")],
    erase: Fate::Anonymize("created_by = null"),
    anonymize: Fate::Anonymize("created_by = null"),
    ..HOLDING
}];
