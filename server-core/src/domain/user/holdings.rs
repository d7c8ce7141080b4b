use super::repository::CLOSED;
use crate::holding::{Fate, Found, HOLDING, Holding, SealedBy, clear, hidden, sealed};

/// Personal data in accounts.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "users",
    found: Found::User("id"),
    // `clerk_id` is replaced last, after the identity provider has deleted its user. Until then a closed account still
    // counts as one to be erased.
    only: "t.clerk_id not like 'erased:%'",
    account: true,
    sealed_by: SealedBy::OwnKey,
    columns: &[
        clear("id"),
        clear("uid"),
        clear("clerk_id"),
        clear("name"),
        hidden("name_folded"),
        hidden("name_sort"),
        sealed("email_encrypted", "email"),
        hidden("email_index"),
        hidden("data_key_wrapped"),
        clear("superadmin"),
        clear("current_organization_id"),
        clear("created_at"),
    ],
    erase: Fate::Anonymize(CLOSED),
    anonymize: Fate::Anonymize(CLOSED),
    ..HOLDING
}];
