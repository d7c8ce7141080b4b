use crate::holding::{Fate, Found, HOLDING, Holding, clear};

const SPECIALIST_SHELL: Fate = Fate::Anonymize(
    "name = 'Erased', title = '', user_id = null, bookable = false, erased_at = coalesce(erased_at, now()),
     deleted_at = coalesce(deleted_at, now()), updated_at = now()",
);

/// Personal data in records of specialists.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "specialists",
    found: Found::Specialist("id"),
    columns: &[clear("id"), clear("user_id"), clear("name"), clear("title"), clear("created_at")],
    erase: SPECIALIST_SHELL,
    anonymize: SPECIALIST_SHELL,
    ..HOLDING
}];
