use crate::holding::{Found, HOLDING, Holding, hidden};

/// Personal data in answers that are kept for repeated requests.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Answers to requests of the last day, by the person or about it. After the erasure, a repeat of such a request
    // is carried out again, which is the lesser harm.
    Holding {
        table: "idempotency_keys",
        found: Found::Organization("organization_id"),
        columns: &[
            hidden("key_hash"),
            hidden("request_hash"),
            hidden("wrapped_key"),
            hidden("answer"),
            hidden("user_id"),
            hidden("impersonator_user_id"),
        ],
        ..HOLDING
    },
];
