use crate::holding::{Found, HOLDING, Holding, PageKey, clear};

/// Personal data in consents on their way.
pub(crate) const HOLDINGS: &[Holding] = &[Holding {
    table: "consent_outbox",
    found: Found::Patient("patient_id"),
    page_key: PageKey::Uuid("id"),
    columns: &[clear("patient_id"), clear("purpose"), clear("granted"), clear("text_version"), clear("decided_at")],
    ..HOLDING
}];
