use crate::holding::{Fate, Found, HOLDING, Holding, PageKey, clear, hidden};

/// Ends the exports of a clinic that may hold the person: nothing tells whose rows are in a file. Their files go with
/// those of the person, by their prefix.
const WITHDRAWN: Fate =
    Fate::Anonymize("state = 'failed', error_code = 'export_withdrawn', request_encrypted = null, finished_at = now()");

/// Personal data in exports.
pub(crate) const HOLDINGS: &[Holding] = &[
    Holding {
        table: "exports",
        found: Found::Organization("organization_id"),
        only: "t.as_file and t.state in ('queued', 'running', 'succeeded')",
        page_key: PageKey::Uuid("id"),
        columns: &[
            clear("id"),
            clear("entity"),
            clear("file_name"),
            clear("created_at"),
            clear("expires_at"),
            hidden("request_encrypted"),
        ],
        erase: WITHDRAWN,
        anonymize: WITHDRAWN,
        ..HOLDING
    },
    Holding {
        table: "exports",
        found: Found::User("requested_by_user_id"),
        page_key: PageKey::Uuid("id"),
        columns: &[clear("requested_by_user_id"), clear("entity"), clear("created_at")],
        erase: Fate::Anonymize("requested_by_user_id = null"),
        anonymize: Fate::Anonymize("requested_by_user_id = null"),
        ..HOLDING
    },
];
