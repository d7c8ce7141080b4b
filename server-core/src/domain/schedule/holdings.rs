use crate::holding::{Found, HOLDING, Holding, PageKey, clear};

/// Personal data in specialists' hours and exceptions.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Working hours are personal data of the specialist. An erased specialist cannot be booked and needs none.
    Holding {
        table: "specialist_hours",
        found: Found::Specialist("specialist_id"),
        page_key: PageKey::Text("concat_ws(' ', t.specialist_id, t.weekday, t.starts_at)"),
        columns: &[clear("specialist_id"), clear("weekday"), clear("starts_at"), clear("ends_at")],
        ..HOLDING
    },
    Holding {
        table: "specialist_exceptions",
        found: Found::Specialist("specialist_id"),
        columns: &[clear("specialist_id"), clear("kind"), clear("starts_at"), clear("ends_at"), clear("created_at")],
        ..HOLDING
    },
];
