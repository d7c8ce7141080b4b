use crate::holding::{Found, HOLDING, Holding, clear};

/// Personal data in entries of the waitlist.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Erased before the appointments: offers refer to the entry.
    Holding {
        table: "waitlist_entries",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("specialist_id"),
            clear("template_id"),
            clear("requested_from"),
            clear("requested_to"),
            clear("created_at"),
        ],
        ..HOLDING
    },
];
