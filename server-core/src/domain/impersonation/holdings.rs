use crate::holding::{Column, Fate, Found, HOLDING, Holding, SealedBy, clear, hidden, sealed};

const ACCOUNTABLE: Fate = Fate::Retain {
    reason: "proof of access as a patient (Art. 5(2) and 32 GDPR). It holds only the user's id, which identifies nobody \
             after the account is erased",
    until: "the patient's own erasure",
};

const IMPERSONATION: &[Column] = &[
    clear("patient_id"),
    clear("patient_user_id"),
    clear("reason"),
    sealed("reason_encrypted", "reason"),
    clear("created_at"),
];

/// Personal data in impersonations, of the patient and of the impersonator.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        table: "impersonations",
        found: Found::Patient("patient_id"),
        sealed_by: SealedBy::Organization,
        columns: IMPERSONATION,
        ..HOLDING
    },
    Holding {
        table: "impersonations",
        found: Found::User("impersonator_user_id"),
        columns: &[clear("impersonator_user_id"), clear("created_at")],
        erase: ACCOUNTABLE,
        anonymize: ACCOUNTABLE,
        ..HOLDING
    },
    // The session's id identifies the user as long as the identity provider keeps the session.
    Holding {
        table: "impersonations",
        found: Found::User("impersonator_user_id"),
        only: "t.session_id is not null",
        columns: &[hidden("session_id")],
        erase: Fate::Anonymize("session_id = null"),
        anonymize: Fate::Anonymize("session_id = null"),
        ..HOLDING
    },
];
