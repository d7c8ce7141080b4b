use crate::holding::{Fate, Found, HOLDING, Holding, PageKey, SealedBy, clear, hidden, sealed};

/// Answers of a patient are unreadable from then on, because the key that they are sealed under is destroyed.
const SIGNED: Fate = Fate::Retain {
    reason: "proof that a form was signed (Art. 17(3)(b), (c) and (e) GDPR). Its answers are sealed under the \
             patient's key, which is destroyed, so that nobody can open them",
    until: "the end of the clinic's retention of treatment records",
};

/// The frozen row and the hashed statement name the user by its id.
const ACCOUNTABLE: Fate = Fate::Retain {
    reason: "proof of who made and signed a form (Art. 17(3)(b) and (e) GDPR). It holds only the user's id, which \
             identifies nobody after the account is erased",
    until: "the end of the clinic's retention of treatment records",
};

/// Rows per page of an export. The answers of a form may take 2 MiB, and PostgreSQL writes them as hexadecimal digits.
const PAGE_ROWS: usize = 5;

/// Condition of forms that nobody has signed.
const OPEN: &str = "t.status in ('draft', 'submitted')";
/// Condition of forms with a signature, which the database freezes.
const FROZEN: &str = "t.status in ('partly_signed', 'signed')";

/// Columns of a form, the last of which has its answers.
macro_rules! form {
    ($answers:expr) => {
        &[
            clear("patient_id"),
            clear("name"),
            clear("language"),
            clear("status"),
            clear("due_at"),
            clear("overdue_at"),
            clear("created_at"),
            clear("submitted_at"),
            clear("signed_at"),
            hidden("content_hash"),
            $answers,
        ]
    };
}

/// Personal data in forms. An erasure reaches them after the records that they are about: it waits there for forms that
/// are being created, and later ones find the record erased.
pub(crate) const HOLDINGS: &[Holding] = &[
    // They repeat what the form holds.
    Holding {
        table: "form_answers",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("form_id"),
            clear("key"),
            clear("group_key"),
            clear("entry"),
            clear("text_value"),
            clear("number_value"),
            clear("boolean_value"),
            clear("date_value"),
            clear("time_value"),
            clear("datetime_value"),
            clear("choices_value"),
            clear("band"),
        ],
        ..HOLDING
    },
    // Together with its history.
    Holding {
        table: "forms",
        found: Found::Patient("patient_id"),
        only: OPEN,
        sealed_by: SealedBy::DataKey,
        page_rows: PAGE_ROWS,
        columns: form!(sealed("document_encrypted", "document")),
        ..HOLDING
    },
    Holding {
        table: "forms",
        found: Found::Patient("patient_id"),
        only: FROZEN,
        sealed_by: SealedBy::DataKey,
        page_rows: PAGE_ROWS,
        columns: form!(sealed("content_encrypted", "content")),
        erase: SIGNED,
        anonymize: SIGNED,
        ..HOLDING
    },
    Holding {
        table: "forms",
        found: Found::User("created_by_user_id"),
        only: OPEN,
        columns: &[clear("created_by_user_id"), clear("created_at")],
        erase: Fate::Anonymize("created_by_user_id = null"),
        anonymize: Fate::Anonymize("created_by_user_id = null"),
        ..HOLDING
    },
    Holding {
        table: "forms",
        found: Found::User("created_by_user_id"),
        only: FROZEN,
        columns: &[clear("created_by_user_id"), clear("created_at")],
        erase: ACCOUNTABLE,
        anonymize: ACCOUNTABLE,
        ..HOLDING
    },
    Holding {
        table: "form_signatures",
        found: Found::User("signer_user_id"),
        columns: &[clear("signer_user_id"), clear("signed_at"), clear("statement"), hidden("statement_hash")],
        erase: ACCOUNTABLE,
        anonymize: ACCOUNTABLE,
        ..HOLDING
    },
    // That a signed form is void stays as long as the form; the reason does not.
    Holding {
        table: "form_voids",
        found: Found::DataKey("data_key_id"),
        sealed_by: SealedBy::DataKey,
        page_key: PageKey::Number("form_id"),
        columns: &[clear("form_id"), clear("voided_at"), sealed("reason_encrypted", "reason")],
        erase: Fate::Anonymize("reason_encrypted = ''"),
        anonymize: Fate::Anonymize("reason_encrypted = ''"),
        ..HOLDING
    },
    Holding {
        table: "form_voids",
        found: Found::User("voided_by_user_id"),
        page_key: PageKey::Number("form_id"),
        columns: &[clear("voided_by_user_id"), clear("voided_at")],
        erase: Fate::Anonymize("voided_by_user_id = null"),
        anonymize: Fate::Anonymize("voided_by_user_id = null"),
        ..HOLDING
    },
    // The names of the fields that somebody answered may tell something of the patient.
    Holding {
        table: "form_changes",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), clear("form_id"), clear("kind"), clear("fields"), clear("changed_at")],
        erase: Fate::Anonymize("fields = '{}'"),
        anonymize: Fate::Anonymize("fields = '{}'"),
        ..HOLDING
    },
    Holding {
        table: "form_changes",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("kind"), clear("changed_at")],
        erase: Fate::Anonymize("user_id = null"),
        anonymize: Fate::Anonymize("user_id = null"),
        ..HOLDING
    },
];
