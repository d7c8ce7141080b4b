use crate::holding::{Found, HOLDING, Holding, clear};

/// Memberships of a patient, and their history. An erasure deletes them after the patient's record: it waits there for
/// evaluations that came before it, and later ones find the record erased.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        table: "segment_members",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), clear("segment_id"), clear("joined_at")],
        ..HOLDING
    },
    Holding {
        table: "segment_history",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), clear("segment_id"), clear("kind"), clear("happened_at")],
        ..HOLDING
    },
];
