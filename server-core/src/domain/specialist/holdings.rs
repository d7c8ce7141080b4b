use crate::holding::{Fate, Found, HOLDING, Holding, clear, hidden};

const SPECIALIST_SHELL: Fate = Fate::Anonymize(
    "name = 'Erased', name_folded = null, name_sort = null, title = '', user_id = null,
     bookable = false, erased_at = coalesce(erased_at, now()), deleted_at = coalesce(deleted_at, now()),
     updated_at = now()",
);

/// Personal data in records of specialists.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "specialists",
    found: Found::Specialist("id"),
    columns: &[
        clear("id"),
        clear("user_id"),
        clear("name"),
        hidden("name_folded"),
        hidden("name_sort"),
        clear("title"),
        clear("created_at"),
    ],
    erase: SPECIALIST_SHELL,
    anonymize: SPECIALIST_SHELL,
    ..HOLDING
}];
