//! What is planted, column by column of the registry, and what becomes of it.

/// Ids that stand nowhere else: of the person's user, patient and specialist record, and of what others
/// have to do with it.
pub(in crate::gdpr) const USER: i64 = 7_300_219_845;
pub(super) const PATIENT: i64 = 8_400_329_956;
pub(super) const SPECIALIST: i64 = 9_500_430_067;
pub(super) const TREATING: i64 = 5_100_007_623;
pub(super) const SPECIALTY: i64 = 6_200_118_734;
pub(super) const TEMPLATE: i64 = 2_800_885_401;
pub(super) const CLINIC: i64 = 4_000_996_512;

/// The program of what the person once did in the other clinic, whose own that is.
pub(in crate::gdpr) const ELSEWHERE: &str = "planted-agent-elsewhere";

/// Id that the person's program once gave a request.
pub(in crate::gdpr) const CLIENT_REQUEST: &str = "7a3d1f0e-9c55-4b7a-8e21-6d0f4b9a2c17";

/// What becomes of a planted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gdpr) enum After {
    /// It is found nowhere.
    Nowhere,
    /// It is an id that others have too, and found in this column no more.
    NotThere,
    /// It is found there still, for this reason.
    Stays(&'static str),
}

use After::{NotThere, Nowhere, Stays};

const SHELL: After = Stays("a shell that other rows refer to: its number, and since when there is one");
const BOOKED: After = Stays("the clinic's record of its own work: a time booked by nobody");
const TRAIL: After = Stays("retained: the trail");
const ACCOUNTABLE: After = Stays("retained: who acted as a patient");
const OWN: After = Stays("of a program or of work, which is nobody's any more");
const OTHER: After = Stays("of somebody else's invitation, which nobody is said to have made");
const OTHERS: After = Stays("of another patient's appointment, which nobody is said to have moved");

/// Values that the schema doesn't let be told apart from others': they go with their rows, which other
/// columns find.
pub(super) const CLOSED: [(&str, &str, &str); 12] = [
    ("invitations", "kind", "one of three kinds"),
    ("invitations", "role", "one of four roles"),
    ("invitations", "status", "one of four states"),
    ("memberships", "role", "one of four roles"),
    ("appointments", "status", "one of eight states"),
    ("appointments", "cancellation_reason", "one of four reasons"),
    ("appointments", "modality", "one of two ways to meet"),
    ("specialist_hours", "weekday", "one of seven days"),
    ("specialist_exceptions", "kind", "available or not"),
    ("users", "superadmin", "yes or no"),
    ("audit_log", "outcome", "one of three outcomes"),
    ("audit_log", "entity_type", "what its id is the id of, where that is the person"),
];

/// What is planted in a table where the registry finds the person one way: column, value, what becomes of
/// it.
pub(super) type Planting = (&'static str, &'static str, &'static [(&'static str, &'static str, After)]);

/// Everything; what begins with `$` is known once it is there.
pub(super) const PLANTINGS: &[Planting] = &[
    (
        "idempotency_keys",
        "organization:organization_id",
        &[
            ("key_hash", "planted-key-hash", Nowhere),
            ("request_hash", "planted-request-hash", Nowhere),
            ("wrapped_key", "planted-wrapped-key", Nowhere),
            ("answer", "planted-answer", Nowhere),
            ("user_id", "$USER", NotThere),
            ("impersonator_user_id", "$USER", NotThere),
        ],
    ),
    ("invitations", "user:user_id", &[("user_id", "$USER", NotThere), ("created_at", "01.700161", Nowhere)]),
    (
        "invitations",
        "address:email_index",
        &[
            ("uid", "$INVITED", Nowhere),
            ("email_encrypted", "planted-login@example.org", Nowhere),
            ("email_index", "planted-login@example.org", Nowhere),
            ("data_key_wrapped", "$INVITED_KEY", Nowhere),
            ("created_at", "01.700162", Nowhere),
        ],
    ),
    (
        "invitations",
        "patient:patient_id",
        &[("patient_id", "$PATIENT", NotThere), ("created_at", "01.700163", Nowhere)],
    ),
    (
        "invitations",
        "specialist:specialist_id",
        &[("specialist_id", "$SPECIALIST", NotThere), ("created_at", "01.700164", Nowhere)],
    ),
    ("invitations", "user:invited_by", &[("invited_by", "$USER", NotThere), ("created_at", "01.700165", OTHER)]),
    ("calendar_feeds", "user:user_id", &[("user_id", "$USER", NotThere), ("created_at", "01.700117", Nowhere)]),
    ("memberships", "user:user_id", &[("user_id", "$USER", NotThere), ("created_at", "01.700102", Nowhere)]),
    (
        "video_rooms",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("name", "planted-room-name", Nowhere),
            ("url", "https://planted-room.example.org/", Nowhere),
            ("opens_at", "01.700118", Nowhere),
            ("closes_at", "01.700119", Nowhere),
        ],
    ),
    (
        "appointment_reschedules",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("from_specialist_id", "$TREATING", NotThere),
            ("from_started_at", "01.700121", Nowhere),
            ("from_ended_at", "01.700122", Nowhere),
            ("to_specialist_id", "$TREATING", NotThere),
            ("to_started_at", "01.700123", Nowhere),
            ("to_ended_at", "01.700124", Nowhere),
            ("created_at", "01.700125", Nowhere),
        ],
    ),
    ("appointment_reschedules", "user:user_id", &[("user_id", "$USER", NotThere), ("created_at", "01.700126", OTHERS)]),
    (
        "appointment_series",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("title", "planted-title-series", Nowhere),
            ("title_encrypted", "planted-sealed-series", Nowhere),
            ("specialist_id", "$TREATING", NotThere),
            ("appointment_template_id", "$TEMPLATE", NotThere),
            ("started_at", "01.700151", Nowhere),
            ("ended_at", "01.700152", Nowhere),
            ("until", "1974-03-07", Nowhere),
            ("created_at", "01.700153", Nowhere),
        ],
    ),
    (
        "waitlist_entries",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("specialist_id", "$TREATING", NotThere),
            ("template_id", "$TEMPLATE", NotThere),
            ("requested_from", "01.700141", Nowhere),
            ("requested_to", "01.700142", Nowhere),
            ("created_at", "01.700143", Nowhere),
        ],
    ),
    (
        "appointments",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", BOOKED),
            ("title", "planted-title-missed", Nowhere),
            ("title", "planted-title-coming", Nowhere),
            ("title", "planted-title-held", Nowhere),
            ("title_encrypted", "planted-sealed-series", Nowhere),
            ("started_at", "01.700105", Nowhere),
            ("ended_at", "01.700106", Nowhere),
            ("block", "01.700107", Nowhere),
            ("specialist_id", "$TREATING", NotThere),
            ("appointment_template_id", "$TEMPLATE", NotThere),
            ("specialty_id", "$SPECIALTY", NotThere),
            ("cancelled_at", "01.700108", Nowhere),
        ],
    ),
    ("appointments", "user:user_id", &[("user_id", "$USER", NotThere), ("holder", "planted-holder", Nowhere)]),
    ("appointment_series", "user:user_id", &[("user_id", "$USER", NotThere)]),
    (
        "patients",
        "patient:id",
        &[
            ("id", "$PATIENT", SHELL),
            ("uid", "$UID", SHELL),
            ("user_id", "$USER", NotThere),
            ("first_name", "Plantedfirst", Nowhere),
            ("last_name", "Plantedlast", Nowhere),
            ("name_folded", "planted-patient-folded", Nowhere),
            ("name_sort", "planted-patient-sort", Nowhere),
            ("email_encrypted", "planted-email@example.org", Nowhere),
            ("phone_encrypted", "+49 555 0199887", Nowhere),
            ("date_of_birth_encrypted", "1931-07-23", Nowhere),
            ("national_id_encrypted", "PLANTEDID777", Nowhere),
            ("address_encrypted", "9917 Planted-Address Row", Nowhere),
            ("emergency_contact_encrypted", "Planted-Contact Person", Nowhere),
            ("clinical_notes_encrypted", "planted-clinical-note", Nowhere),
            ("email_index", "planted-email@example.org", Nowhere),
            ("phone_index", "+49 555 0199887", Nowhere),
            ("national_id_index", "PLANTEDID777", Nowhere),
            ("created_at", "01.700103", SHELL),
        ],
    ),
    ("data_keys", "data_key:id", &[("wrapped", "$KEY", Nowhere)]),
    (
        "specialist_hours",
        "specialist:specialist_id",
        &[
            ("specialist_id", "$SPECIALIST", NotThere),
            ("starts_at", "01.700127", Nowhere),
            ("ends_at", "01.700128", Nowhere),
        ],
    ),
    (
        "specialist_exceptions",
        "specialist:specialist_id",
        &[
            ("specialist_id", "$SPECIALIST", NotThere),
            ("starts_at", "01.700129", Nowhere),
            ("ends_at", "01.700131", Nowhere),
            ("created_at", "01.700132", Nowhere),
        ],
    ),
    (
        "specialists",
        "specialist:id",
        &[
            ("id", "$SPECIALIST", SHELL),
            ("user_id", "$USER", NotThere),
            ("name", "planted-specialist-name", Nowhere),
            ("title", "planted-specialist-title", Nowhere),
            ("created_at", "01.700104", SHELL),
        ],
    ),
    (
        "impersonations",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("patient_user_id", "$USER", NotThere),
            ("reason", "planted-reason", Nowhere),
            ("reason_encrypted", "planted-sealed-reason", Nowhere),
            ("created_at", "01.700109", Nowhere),
        ],
    ),
    (
        "impersonations",
        "user:impersonator_user_id",
        &[
            ("impersonator_user_id", "$USER", ACCOUNTABLE),
            ("created_at", "01.700116", ACCOUNTABLE),
            ("session_id", "planted-session", Nowhere),
        ],
    ),
    ("api_keys", "user:created_by", &[("created_by", "$USER", NotThere), ("created_at", "01.700111", OWN)]),
    (
        "jobs",
        "user:created_by",
        &[("created_by", "$USER", NotThere), ("kind", "planted_kind", OWN), ("created_at", "01.700112", OWN)],
    ),
    (
        "audit_personal",
        "audit_entry:audit_id",
        &[
            ("ip", "203.0.113.77", Nowhere),
            ("user_agent", "planted-user-agent", Nowhere),
            ("user_agent", "planted-agent-of-none", Nowhere),
            ("client_request_id", CLIENT_REQUEST, Nowhere),
        ],
    ),
    (
        "audit_log",
        "user:actor_user_id",
        &[
            ("actor_user_id", "$USER", TRAIL),
            ("occurred_at", "01.700113", TRAIL),
            ("action", "planted_action_1", TRAIL),
            ("entity_type", "planted_type_1", TRAIL),
            ("operation_id", "planted_operation", TRAIL),
            ("request_id", "planted-request", TRAIL),
        ],
    ),
    (
        "audit_log",
        "user:impersonator_user_id",
        &[
            ("impersonator_user_id", "$USER", TRAIL),
            ("occurred_at", "01.700114", TRAIL),
            ("action", "planted_action_2", TRAIL),
            ("entity_type", "planted_type_2", TRAIL),
        ],
    ),
    (
        "audit_log",
        "entity:entity_id",
        &[
            ("entity_id", "$USER", TRAIL),
            ("occurred_at", "01.700115", TRAIL),
            ("action", "planted_action_3", TRAIL),
            ("changed_fields", "planted_field", TRAIL),
        ],
    ),
    (
        "users",
        "user:id",
        &[
            ("id", "$USER", SHELL),
            ("uid", "$USER_UID", SHELL),
            ("clerk_id", "$CLERK_ID", Nowhere),
            ("name", "planted-user-name", Nowhere),
            ("email_encrypted", "planted-login@example.org", Nowhere),
            ("email_index", "planted-login@example.org", Nowhere),
            ("data_key_wrapped", "$USER_KEY", Nowhere),
            ("current_organization_id", "$CLINIC", NotThere),
            ("created_at", "01.700101", SHELL),
        ],
    ),
];
