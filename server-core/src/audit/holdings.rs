use crate::holding::{Fate, Found, HOLDING, Holding, PageKey, clear};

const TRAIL: Fate = Fate::Retain {
    reason: "proof of who accessed and changed health records (Art. 5(2), 17(3)(b) and (e), 32 GDPR): append-only and \
             chained. It holds ids alone, which name nobody once the account is erased",
    until: "the end of the clinic's audit retention",
};

/// Personal data in the audit trail.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        table: "audit_personal",
        found: Found::AuditEntry("audit_id"),
        page_key: PageKey::Uuid("audit_id"),
        columns: &[clear("ip"), clear("user_agent"), clear("client_request_id")],
        ..HOLDING
    },
    Holding {
        table: "audit_log",
        found: Found::User("actor_user_id"),
        page_key: PageKey::Uuid("id"),
        columns: &[
            clear("actor_user_id"),
            clear("occurred_at"),
            clear("action"),
            clear("entity_type"),
            clear("outcome"),
            clear("operation_id"),
            clear("request_id"),
        ],
        erase: TRAIL,
        anonymize: TRAIL,
        ..HOLDING
    },
    Holding {
        table: "audit_log",
        found: Found::User("impersonator_user_id"),
        page_key: PageKey::Uuid("id"),
        columns: &[clear("impersonator_user_id"), clear("occurred_at"), clear("action"), clear("entity_type")],
        erase: TRAIL,
        anonymize: TRAIL,
        ..HOLDING
    },
    // An export shows nothing about the people who acted on the person's record.
    Holding {
        table: "audit_log",
        found: Found::Entity,
        page_key: PageKey::Uuid("id"),
        columns: &[
            clear("entity_id"),
            clear("entity_type"),
            clear("occurred_at"),
            clear("action"),
            clear("changed_fields"),
        ],
        erase: TRAIL,
        anonymize: TRAIL,
        ..HOLDING
    },
];
