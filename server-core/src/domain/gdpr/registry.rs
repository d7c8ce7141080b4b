//! Every column that identifies or describes a person: how the person is found in it, what erasure
//! does with it, and what an export shows of it. Erasure and export read this list and no other; a
//! test walks the real schema and fails for a column that is neither here nor on its list of
//! impersonal ones.
//!
//! The order is that of the work: what lets somebody in goes first, what others are found by last.

use std::fmt;

use crate::domain::user;

/// How the rows of a person are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The column holds the user's id.
    User(&'static str),
    /// The column holds the id of one of the person's patient records.
    Patient(&'static str),
    /// The column holds the id of one of the person's specialist records.
    Specialist(&'static str),
    /// The column holds the id of the data key of one of the person's patient records.
    DataKey(&'static str),
    /// The column holds the id of an audit row of what the user did. Who impersonates does it, not who
    /// is impersonated.
    AuditEntry(&'static str),
    /// The column holds one of the person's organizations. Nothing says whose the row is, so each may be
    /// about the person.
    Organization(&'static str),
    /// `entity_type` and `entity_id` name the user or one of its records.
    Entity,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(column) => write!(f, "user:{column}"),
            Self::Patient(column) => write!(f, "patient:{column}"),
            Self::Specialist(column) => write!(f, "specialist:{column}"),
            Self::DataKey(column) => write!(f, "data_key:{column}"),
            Self::AuditEntry(column) => write!(f, "audit_entry:{column}"),
            Self::Organization(column) => write!(f, "organization:{column}"),
            Self::Entity => f.write_str("entity:entity_id"),
        }
    }
}

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They go.
    Delete,
    /// They stay, after these assignments, and name nobody.
    Anonymize(&'static str),
    /// The key in them is destroyed, by these assignments: what was sealed with it opens nowhere any
    /// more, in backups and replicas neither.
    DestroyKey(&'static str),
    /// They stay as they are.
    Retain {
        /// Why the law lets them, or makes them, stay.
        reason: &'static str,
        /// How long.
        until: &'static str,
    },
}

/// What an export shows of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What stands in it.
    Clear,
    /// The value that is sealed in it, under this name.
    Sealed(&'static str),
    /// Nothing: keys, hashes and indexes tell a person nothing that another column doesn't.
    Nothing,
}

/// A column that is about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
}

const fn clear(name: &'static str) -> Column {
    Column { name, shown: Shown::Clear }
}

const fn sealed(name: &'static str, value: &'static str) -> Column {
    Column { name, shown: Shown::Sealed(value) }
}

const fn hidden(name: &'static str) -> Column {
    Column { name, shown: Shown::Nothing }
}

/// Where the key of a table's sealed columns is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealedBy {
    /// Nothing in it is sealed.
    Nothing,
    /// The row names a row of `data_keys`.
    DataKey,
    /// The key stands in the row itself, wrapped.
    OwnKey,
}

/// By what an export goes through a person's rows of a holding, page by page: what no two of them have
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKey {
    Number(&'static str),
    Uuid(&'static str),
    /// Of several columns, as an expression on `t`.
    Text(&'static str),
}

/// The columns of a table in which a person is found one way. A table where people are found in
/// several ways has several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) table: &'static str,
    pub(crate) found: Found,
    /// Which of the rows found are meant; the rest are another holding's.
    pub(crate) only: &'static str,
    /// Whether it belongs to the person above all organizations, and goes with the last membership. So
    /// do rows of every other holding that belong to no organization.
    pub(crate) account: bool,
    pub(crate) sealed_by: SealedBy,
    pub(crate) page_key: PageKey,
    pub(crate) columns: &'static [Column],
    /// What erasing does.
    pub(crate) erase: Fate,
    /// What anonymizing does, which keeps what can be kept without naming anybody.
    pub(crate) anonymize: Fate,
}

/// What most holdings have in common.
const HOLDING: Holding = Holding {
    table: "",
    found: Found::Entity,
    only: "true",
    account: false,
    sealed_by: SealedBy::Nothing,
    page_key: PageKey::Number("id"),
    columns: &[],
    erase: Fate::Delete,
    anonymize: Fate::Delete,
};

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

const IMPERSONATION: &[Column] = &[clear("patient_id"), clear("patient_user_id"), clear("reason"), clear("created_at")];

const CARE: Fate = Fate::Anonymize("title = '', updated_at = now(), version = version + 1");

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
        columns: &[hidden("key_hash"), hidden("request_hash"), hidden("wrapped_key"), hidden("answer")],
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
        columns: &[
            clear("patient_id"),
            clear("title"),
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
        columns: APPOINTMENT,
        anonymize: Fate::Anonymize(
            "title = '', updated_at = now(), version = version + 1,
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
    Holding { table: "impersonations", found: Found::Patient("patient_id"), columns: IMPERSONATION, ..HOLDING },
    Holding {
        table: "impersonations",
        found: Found::User("impersonator_user_id"),
        columns: &[clear("impersonator_user_id"), clear("created_at")],
        erase: ACCOUNTABLE,
        anonymize: ACCOUNTABLE,
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
        columns: &[clear("ip"), clear("user_agent")],
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

/// The list as text: table, column, how the person is found, what erasing does, what anonymizing does,
/// what an export shows; separated by tabs.
pub(crate) fn printed() -> String {
    let lines = HOLDINGS.iter().flat_map(|holding| {
        holding.columns.iter().map(|column| {
            let shown = match column.shown {
                Shown::Clear => column.name,
                Shown::Sealed(value) => value,
                Shown::Nothing => "-",
            };
            let (table, name, found) = (holding.table, column.name, holding.found);
            format!("{table}\t{name}\t{found}\t{}\t{}\t{shown}\n", said(holding.erase), said(holding.anonymize))
        })
    });
    lines.collect()
}

fn said(fate: Fate) -> String {
    match fate {
        Fate::Delete => "delete".to_owned(),
        Fate::Anonymize(_) => "anonymize".to_owned(),
        Fate::DestroyKey(_) => "destroy_key".to_owned(),
        Fate::Retain { reason, until } => format!("retain({reason}; until {until})"),
    }
}
