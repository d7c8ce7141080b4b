use crate::holding::{Fate, Found, HOLDING, Holding, PageKey, SealedBy, clear, hidden, sealed};

/// States the version of the indexes again, which a trigger would take for outdated: nothing is left to be indexed.
const PATIENT_SHELL: Fate = Fate::Anonymize(
    "first_name = 'Erased', last_name = 'Erased', name_folded = null, name_sort = null, user_id = null,
     email_encrypted = null, phone_encrypted = null,
     date_of_birth_encrypted = null, national_id_encrypted = null, address_encrypted = null,
     emergency_contact_encrypted = null, clinical_notes_encrypted = null, email_index = null, phone_index = null,
     national_id_index = null, name_birth_index = null, indexes_version = indexes_version,
     erased_at = coalesce(erased_at, now()), deleted_at = coalesce(deleted_at, now()),
     updated_at = now(), version = version + 1",
);

const KEY: Fate = Fate::DestroyKey("wrapped = '', destroyed_at = coalesce(destroyed_at, now())");

/// Personal data in records of patients, and the keys that it is sealed with.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Records of one person; the person's ids include those of merged records, so each merge is found by its own.
    Holding {
        table: "patient_merges",
        found: Found::Patient("patient_id"),
        page_key: PageKey::Number("patient_id"),
        columns: &[clear("patient_id"), clear("owner_id"), clear("merged_at")],
        ..HOLDING
    },
    // Other rows refer to the record, so a shell of it stays. `uid` stays with it: it was drawn at
    // random, and nothing else has it any more.
    Holding {
        table: "patients",
        found: Found::Patient("id"),
        sealed_by: SealedBy::DataKey,
        columns: &[
            clear("id"),
            clear("uid"),
            clear("user_id"),
            clear("first_name"),
            clear("last_name"),
            hidden("name_folded"),
            hidden("name_sort"),
            sealed("email_encrypted", "email"),
            sealed("phone_encrypted", "phone"),
            sealed("date_of_birth_encrypted", "date_of_birth"),
            sealed("national_id_encrypted", "national_id"),
            sealed("address_encrypted", "address"),
            sealed("emergency_contact_encrypted", "emergency_contact"),
            sealed("clinical_notes_encrypted", "clinical_notes"),
            hidden("email_index"),
            hidden("phone_index"),
            hidden("national_id_index"),
            hidden("name_birth_index"),
            clear("created_at"),
        ],
        erase: PATIENT_SHELL,
        anonymize: PATIENT_SHELL,
        ..HOLDING
    },
    Holding {
        table: "data_keys",
        found: Found::DataKey("id"),
        columns: &[hidden("wrapped")],
        erase: KEY,
        anonymize: KEY,
        ..HOLDING
    },
];
