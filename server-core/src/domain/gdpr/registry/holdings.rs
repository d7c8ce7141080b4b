//! What is held on people, in the order of the work: what lets somebody in goes first, what others are found
//! by last.

use super::{Column, Fate, Found, HOLDING, Holding, PageKey, SealedBy, clear, hidden, sealed};
use crate::domain::user;

const TRAIL: Fate = Fate::Retain {
    reason: "proof of who accessed and changed health records (Art. 5(2), 17(3)(b) and (e), 32 GDPR): append-only and \
             chained. It holds ids alone, which name nobody once the account is erased",
    until: "the end of the clinic's audit retention",
};

const ACCOUNTABLE: Fate = Fate::Retain {
    reason: "proof of who acted as a patient (Art. 5(2) and 32 GDPR). It holds the id alone, which names nobody once the \
             account is erased",
    until: "the patient's own erasure",
};

const IMPERSONATION: &[Column] = &[
    clear("patient_id"),
    clear("patient_user_id"),
    clear("reason"),
    sealed("reason_encrypted", "reason"),
    clear("created_at"),
];

const CARE: Fate = Fate::Anonymize("title = '', title_encrypted = null, updated_at = now(), version = version + 1");

/// What somebody holds nobody else can book; with its maker, the hold goes.
const BOOKED_BY: Fate = Fate::Anonymize(
    "user_id = null, holder = null, status = case when status = 'held' then 'expired' else status end,
     version = version + case when status = 'held' then 1 else 0 end",
);

/// Whether an appointment never took place, and can't any more once its patient is gone.
const NEVER_HELD: &str = "(t.status in ('held', 'expired', 'cancelled', 'no_show')
                           or t.status in ('scheduled', 'confirmed') and t.started_at > now())";
const HELD: &str = "not (t.status in ('held', 'expired', 'cancelled', 'no_show')
                         or t.status in ('scheduled', 'confirmed') and t.started_at > now())";

const APPOINTMENT: &[Column] = &[
    clear("patient_id"),
    clear("title"),
    sealed("title_encrypted", "title"),
    clear("status"),
    clear("started_at"),
    clear("ended_at"),
    hidden("block"),
    clear("specialist_id"),
    clear("appointment_template_id"),
    clear("specialty_id"),
    clear("modality"),
    clear("cancelled_at"),
    clear("cancellation_reason"),
];

/// What is held on people.
pub(crate) const HOLDINGS: &[Holding] = &[
    // Answers to requests of the last day, by the person or about it. Whoever sends one of them again
    // has it done again; that is the lesser harm.
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
    // Before the memberships, whose end revokes them, and which say whose addresses a clinic may know. Who else
    // was invited to a record is no business of the record's person.
    Holding {
        table: "invitations",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("kind"), clear("role"), clear("status"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Address("email_index"),
        only: "t.user_id is null",
        sealed_by: SealedBy::InvitationKey,
        columns: &[
            hidden("uid"),
            clear("kind"),
            clear("role"),
            sealed("email_encrypted", "email"),
            hidden("email_index"),
            hidden("data_key_wrapped"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Patient("patient_id"),
        columns: &[clear("patient_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::Specialist("specialist_id"),
        columns: &[clear("specialist_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "invitations",
        found: Found::User("invited_by"),
        columns: &[clear("invited_by"), clear("created_at")],
        erase: Fate::Anonymize("invited_by = null"),
        anonymize: Fate::Anonymize("invited_by = null"),
        ..HOLDING
    },
    Holding {
        table: "calendar_feeds",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "memberships",
        found: Found::User("user_id"),
        page_key: PageKey::Number("organization_id"),
        columns: &[clear("user_id"), clear("role"), clear("created_at")],
        ..HOLDING
    },
    // Before the appointments that they name. At Daily a room names nobody, and ends with its time.
    Holding {
        table: "video_rooms",
        found: Found::Patient("patient_id"),
        page_key: PageKey::Number("appointment_id"),
        columns: &[clear("patient_id"), hidden("name"), hidden("url"), clear("opens_at"), clear("closes_at")],
        ..HOLDING
    },
    // Where an appointment was before says nothing that care is judged by. It goes first: it names the
    // appointment.
    Holding {
        table: "appointment_reschedules",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("from_specialist_id"),
            clear("from_started_at"),
            clear("from_ended_at"),
            clear("to_specialist_id"),
            clear("to_started_at"),
            clear("to_ended_at"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    Holding {
        table: "appointment_reschedules",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), clear("created_at")],
        erase: Fate::Anonymize("user_id = null"),
        anonymize: Fate::Anonymize("user_id = null"),
        ..HOLDING
    },
    // What was booked together says no more than its appointments, which are their own record.
    Holding {
        table: "appointment_series",
        found: Found::Patient("patient_id"),
        sealed_by: SealedBy::Organization,
        columns: &[
            clear("patient_id"),
            clear("title"),
            sealed("title_encrypted", "title"),
            clear("specialist_id"),
            clear("appointment_template_id"),
            clear("started_at"),
            clear("ended_at"),
            clear("until"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    // Before the appointments, for what it was offered is held by it.
    Holding {
        table: "waitlist_entries",
        found: Found::Patient("patient_id"),
        columns: &[
            clear("patient_id"),
            clear("specialist_id"),
            clear("template_id"),
            clear("requested_from"),
            clear("requested_to"),
            clear("created_at"),
        ],
        ..HOLDING
    },
    // Nobody comes: the time is free again. Erased, a time at which nothing happened has no reason to
    // stay; anonymized, it still counts as one that was cancelled.
    Holding {
        table: "appointments",
        found: Found::Patient("patient_id"),
        only: NEVER_HELD,
        sealed_by: SealedBy::Organization,
        columns: APPOINTMENT,
        anonymize: Fate::Anonymize(
            "title = '', title_encrypted = null, updated_at = now(), version = version + 1,
             cancelled_at = case when status in ('scheduled', 'confirmed') then now() else cancelled_at end,
             holder = null,
             status = case when status in ('scheduled', 'confirmed') then 'cancelled' when status = 'held' then 'expired'
                           else status end",
        ),
        ..HOLDING
    },
    // That a specialist worked at that time is the clinic's record of its own work; it stays, as a time
    // booked by nobody.
    Holding {
        table: "appointments",
        found: Found::Patient("patient_id"),
        only: HELD,
        sealed_by: SealedBy::Organization,
        columns: APPOINTMENT,
        erase: CARE,
        anonymize: CARE,
        ..HOLDING
    },
    Holding {
        table: "appointments",
        found: Found::User("user_id"),
        columns: &[clear("user_id"), hidden("holder")],
        erase: BOOKED_BY,
        anonymize: BOOKED_BY,
        ..HOLDING
    },
    // After the appointments: who changes a series locks them first.
    Holding {
        table: "appointment_series",
        found: Found::User("user_id"),
        columns: &[clear("user_id")],
        erase: Fate::Anonymize("user_id = null"),
        anonymize: Fate::Anonymize("user_id = null"),
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
    // When somebody works, and when not, is about that person. Nobody is booked with a shell.
    Holding {
        table: "specialist_hours",
        found: Found::Specialist("specialist_id"),
        page_key: PageKey::Text("concat_ws(' ', t.specialist_id, t.weekday, t.starts_at)"),
        columns: &[clear("specialist_id"), clear("weekday"), clear("starts_at"), clear("ends_at")],
        ..HOLDING
    },
    Holding {
        table: "specialist_exceptions",
        found: Found::Specialist("specialist_id"),
        columns: &[clear("specialist_id"), clear("kind"), clear("starts_at"), clear("ends_at"), clear("created_at")],
        ..HOLDING
    },
    Holding {
        table: "specialists",
        found: Found::Specialist("id"),
        columns: &[clear("id"), clear("user_id"), clear("name"), clear("title"), clear("created_at")],
        erase: SPECIALIST_SHELL,
        anonymize: SPECIALIST_SHELL,
        ..HOLDING
    },
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
    // It names a session at the identity provider for as long as that one knows it.
    Holding {
        table: "impersonations",
        found: Found::User("impersonator_user_id"),
        only: "t.session_id is not null",
        columns: &[hidden("session_id")],
        erase: Fate::Anonymize("session_id = null"),
        anonymize: Fate::Anonymize("session_id = null"),
        ..HOLDING
    },
    Holding {
        table: "api_keys",
        found: Found::User("created_by"),
        columns: &[clear("created_by"), clear("created_at")],
        erase: Fate::Anonymize("created_by = null"),
        anonymize: Fate::Anonymize("created_by = null"),
        ..HOLDING
    },
    Holding {
        table: "jobs",
        found: Found::User("created_by"),
        page_key: PageKey::Uuid("id"),
        columns: &[clear("created_by"), clear("kind"), clear("created_at")],
        erase: Fate::Anonymize("created_by = null"),
        anonymize: Fate::Anonymize("created_by = null"),
        ..HOLDING
    },
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
    // Of those who acted on the person's record an export tells nothing.
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
    Holding {
        table: "users",
        found: Found::User("id"),
        // `clerk_id` goes last, when the identity provider has deleted the user that it names. Until then
        // an account that is closed is one to be erased.
        only: "t.clerk_id not like 'erased:%'",
        account: true,
        sealed_by: SealedBy::OwnKey,
        columns: &[
            clear("id"),
            clear("uid"),
            clear("clerk_id"),
            clear("name"),
            sealed("email_encrypted", "email"),
            hidden("email_index"),
            hidden("data_key_wrapped"),
            clear("superadmin"),
            clear("current_organization_id"),
            clear("created_at"),
        ],
        erase: Fate::Anonymize(user::CLOSED),
        anonymize: Fate::Anonymize(user::CLOSED),
        ..HOLDING
    },
];

const PATIENT_SHELL: Fate = Fate::Anonymize(
    "first_name = 'Erased', last_name = 'Erased', user_id = null, email_encrypted = null, phone_encrypted = null,
     date_of_birth_encrypted = null, national_id_encrypted = null, address_encrypted = null,
     emergency_contact_encrypted = null, clinical_notes_encrypted = null, email_index = null, phone_index = null,
     national_id_index = null, erased_at = coalesce(erased_at, now()), deleted_at = coalesce(deleted_at, now()),
     updated_at = now(), version = version + 1",
);

const KEY: Fate = Fate::DestroyKey("wrapped = '', destroyed_at = coalesce(destroyed_at, now())");

const SPECIALIST_SHELL: Fate = Fate::Anonymize(
    "name = 'Erased', title = '', user_id = null, bookable = false, erased_at = coalesce(erased_at, now()),
     deleted_at = coalesce(deleted_at, now()), updated_at = now()",
);
