use crate::holding::{Found, HOLDING, Holding, clear};

/// Personal data in links to calendars, and in the record of appointments that have left a calendar.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        table: "calendar_feeds",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "calendar_departures",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("specialty_id"),
            clear("modality"),
            clear("started_at"),
            clear("ended_at"),
            clear("departed_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "calendar_departures",
        found: Found::Specialist("specialist_id"),
        columns: &[
            clear("specialist_id"),
            clear("specialty_id"),
            clear("modality"),
            clear("started_at"),
            clear("ended_at"),
            clear("departed_at"),
        ],
        ..HOLDING
    },
];
