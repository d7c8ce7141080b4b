use crate::holding::{Found, HOLDING, Holding, PageKey, clear, hidden};

/// Personal data in video rooms.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Before the appointments that they name. At Daily a room names nobody, and ends with its time.
    Holding {
        table: "video_rooms",
        found: Found::Patient("patient_id"),
        page_key: PageKey::Number("appointment_id"),
        columns: &[clear("patient_id"), hidden("name"), hidden("url"), clear("opens_at"), clear("closes_at")],
        ..HOLDING
    },
];
