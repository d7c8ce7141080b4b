use crate::holding::{Found, HOLDING, Holding, PageKey, clear, hidden};

/// Personal data in video rooms.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Erased before the appointments that they refer to. At Daily a room contains no personal data, and expires.
    Holding {
        table: "video_rooms",
        found: Found::Patient("patient_id"),
        page_key: PageKey::Number("appointment_id"),
        columns: &[clear("patient_id"), hidden("name"), hidden("url"), clear("opens_at"), clear("closes_at")],
        ..HOLDING
    },
];
