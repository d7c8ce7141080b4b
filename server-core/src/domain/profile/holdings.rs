use crate::holding::{Column, Fate, Found, HOLDING, Holding, SealedBy, clear, hidden, sealed};

const VALUE: &[Column] = &[
    clear("patient_id"),
    clear("specialist_id"),
    clear("entity"),
    hidden("owner_id"),
    clear("key"),
    sealed("value_encrypted", "value"),
    clear("text_value"),
    clear("number_value"),
    clear("boolean_value"),
    clear("date_value"),
    clear("time_value"),
    clear("datetime_value"),
    clear("choices_value"),
    clear("changed_at"),
];

/// Personal data in profiles. An erasure deletes them after the records that they belong to: it waits there for writes
/// that came before it, and later ones find the record erased.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Those of its appointments are the patient's, too.
    Holding {
        table: "profile_values",
        found: Found::Patient("patient_id"),
        sealed_by: SealedBy::DataKey,
        columns: VALUE,
        ..HOLDING
    },
    Holding {
        table: "profile_values",
        found: Found::Specialist("specialist_id"),
        sealed_by: SealedBy::Organization,
        columns: VALUE,
        ..HOLDING
    },
    Holding {
        table: "profile_values",
        found: Found::User("changed_by_user_id"),
        columns: &[clear("changed_by_user_id"), clear("changed_at")],
        erase: Fate::Anonymize("changed_by_user_id = null"),
        anonymize: Fate::Anonymize("changed_by_user_id = null"),
        ..HOLDING
    },
    Holding {
        table: "profiles",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), hidden("owner_id"), clear("created_at"), clear("updated_at")],
        ..HOLDING
    },
    Holding {
        table: "profiles",
        found: Found::Specialist("specialist_id"),
        columns: &[clear("specialist_id"), hidden("owner_id"), clear("created_at"), clear("updated_at")],
        ..HOLDING
    },
];
