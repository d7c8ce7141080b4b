//! Planted values and their fates, by columns of the registry.

/// Unique ids: of the person's user, patient and specialist record, and of rows of others that refer to it.
pub(in crate::gdpr) const USER: i64 = 7_300_219_845;
pub(super) const PATIENT: i64 = 8_400_329_956;
/// Record that was merged into the person's, which has the id before it.
pub(super) const TWIN: i64 = PATIENT + 1;
pub(super) const SPECIALIST: i64 = 9_500_430_067;
pub(super) const TREATING: i64 = 5_100_007_623;
pub(super) const SPECIALTY: i64 = 6_200_118_734;
pub(super) const TEMPLATE: i64 = 2_800_885_401;
pub(super) const CLINIC: i64 = 4_000_996_512;
/// Segment that the person is a member of.
pub(super) const SEGMENT: i64 = 1_900_663_178;

/// User agent of a former action of the person in the other clinic, which belongs to that clinic.
pub(in crate::gdpr) const ELSEWHERE: &str = "planted-agent-elsewhere";

/// Client request id of a former request of the person.
pub(in crate::gdpr) const CLIENT_REQUEST: &str = "7a3d1f0e-9c55-4b7a-8e21-6d0f4b9a2c17";

/// Fate of a planted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gdpr) enum After {
    /// The value must not be found anywhere.
    Nowhere,
    /// The value is an id that occurs elsewhere, too, and must not be found in this column.
    NotThere,
    /// The value must still be found in this column, for this reason.
    Stays(&'static str),
}

use After::{NotThere, Nowhere, Stays};

const SHELL: After = Stays("a shell that other rows refer to: its number, and since when there is one");
const BOOKED: After = Stays("the clinic's record of its own work: a time booked by nobody");
const TRAIL: After = Stays("retained: the trail");
const ACCOUNTABLE: After = Stays("retained: who acted as a patient");
const OWN: After = Stays("of a program or of work, which is nobody's any more");
const WITHDRAWN: After = Stays("of an export whose file is gone");
const OTHER: After = Stays("of somebody else's invitation, which nobody is said to have made");
const OTHERS: After = Stays("of another patient's appointment, which nobody is said to have moved");

/// Columns whose values can't be unique; their rows are found by other columns.
pub(super) const CLOSED: [(&str, &str, &str); 22] = [
    ("forms", "status", "one of four states"),
    ("form_answers", "boolean_value", "yes or no"),
    ("form_changes", "kind", "one of seven kinds"),
    ("segment_history", "kind", "joined or left"),
    ("exports", "entity", "one of five tables"),
    ("invitations", "kind", "one of three kinds"),
    ("invitations", "role", "one of four roles"),
    ("invitations", "status", "one of four states"),
    ("memberships", "role", "one of four roles"),
    ("appointments", "status", "one of eight states"),
    ("appointments", "cancellation_reason", "one of four reasons"),
    ("appointments", "modality", "one of two ways to meet"),
    ("calendar_departures", "modality", "one of two ways to meet"),
    ("consent_outbox", "purpose", "one of three purposes"),
    ("consent_outbox", "granted", "yes or no"),
    ("specialist_hours", "weekday", "one of seven days"),
    ("specialist_exceptions", "kind", "available or not"),
    ("users", "superadmin", "yes or no"),
    ("profile_values", "entity", "one of four kinds of record"),
    ("profile_values", "boolean_value", "yes or no"),
    ("audit_log", "outcome", "one of three outcomes"),
    ("audit_log", "entity_type", "what its id is the id of, where that is the person"),
];

/// Planted values of a table in which the registry finds the person in one way: column, value and fate.
pub(super) type Planting = (&'static str, &'static str, &'static [(&'static str, &'static str, After)]);

/// All planted values but those of forms. A value that begins with `$` is replaced once it is known.
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
    (
        "calendar_departures",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("specialty_id", "$SPECIALTY", NotThere),
            ("started_at", "01.700171", Nowhere),
            ("ended_at", "01.700172", Nowhere),
            ("departed_at", "01.700173", Nowhere),
        ],
    ),
    (
        "calendar_departures",
        "specialist:specialist_id",
        &[
            ("specialist_id", "$SPECIALIST", NotThere),
            ("specialty_id", "$SPECIALTY", NotThere),
            ("started_at", "01.700174", Nowhere),
            ("ended_at", "01.700175", Nowhere),
            ("departed_at", "01.700176", Nowhere),
        ],
    ),
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
        "consent_outbox",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("text_version", "planted-text-version", Nowhere),
            ("decided_at", "01.700181", Nowhere),
        ],
    ),
    (
        "patient_merges",
        "patient:patient_id",
        &[("patient_id", "$TWIN", NotThere), ("owner_id", "$PATIENT", NotThere), ("merged_at", "01.700191", Nowhere)],
    ),
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
            ("name_birth_index", "planted-name-birth", Nowhere),
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
            ("name_folded", "planted-specialist-folded", Nowhere),
            ("name_sort", "planted-specialist-sort", Nowhere),
            ("title", "planted-specialist-title", Nowhere),
            ("created_at", "01.700104", SHELL),
        ],
    ),
    (
        "profile_values",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("owner_id", "$PATIENT", NotThere),
            ("key", "planted_patient_text", NotThere),
            ("value_encrypted", "planted-patient-sealed", Nowhere),
            ("text_value", "planted-patient-text", Nowhere),
            ("number_value", "730021.0171", Nowhere),
            ("date_value", "1975-05-17", Nowhere),
            ("time_value", "03:17:41", Nowhere),
            ("datetime_value", "41.700181", Nowhere),
            ("choices_value", "planted_patient_choice", NotThere),
            ("changed_at", "01.700182", Nowhere),
        ],
    ),
    (
        "profile_values",
        "specialist:specialist_id",
        &[
            ("specialist_id", "$SPECIALIST", NotThere),
            ("owner_id", "$SPECIALIST", NotThere),
            ("key", "planted_specialist_text", NotThere),
            ("value_encrypted", "planted-specialist-sealed", Nowhere),
            ("text_value", "planted-specialist-text", Nowhere),
            ("number_value", "730022.0172", Nowhere),
            ("date_value", "1975-05-18", Nowhere),
            ("time_value", "03:17:42", Nowhere),
            ("datetime_value", "42.700183", Nowhere),
            ("choices_value", "planted_specialist_choice", NotThere),
            ("changed_at", "01.700184", Nowhere),
        ],
    ),
    ("profile_values", "user:changed_by_user_id", &[("changed_by_user_id", "$USER", NotThere)]),
    (
        "profiles",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("owner_id", "$PATIENT", NotThere),
            ("created_at", "01.700185", Nowhere),
            ("updated_at", "01.700186", Nowhere),
        ],
    ),
    (
        "profiles",
        "specialist:specialist_id",
        &[
            ("specialist_id", "$SPECIALIST", NotThere),
            ("owner_id", "$SPECIALIST", NotThere),
            ("created_at", "01.700187", Nowhere),
            ("updated_at", "01.700188", Nowhere),
        ],
    ),
    (
        "exports",
        "organization:organization_id",
        &[
            ("id", "00700231-0000-4000-8000-000000700231", WITHDRAWN),
            ("file_name", "planted-export.csv", WITHDRAWN),
            ("created_at", "01.700231", WITHDRAWN),
            ("expires_at", "01.700232", WITHDRAWN),
            ("request_encrypted", "planted-export-request", Nowhere),
        ],
    ),
    (
        "exports",
        "user:requested_by_user_id",
        &[("requested_by_user_id", "$USER", NotThere), ("created_at", "01.700231", WITHDRAWN)],
    ),
    (
        "segment_members",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("segment_id", "$SEGMENT", NotThere),
            ("joined_at", "01.700221", Nowhere),
        ],
    ),
    (
        "segment_history",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", NotThere),
            ("segment_id", "$SEGMENT", NotThere),
            ("happened_at", "01.700222", Nowhere),
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
            ("name_folded", "planted-user-folded", Nowhere),
            ("name_sort", "planted-user-sort", Nowhere),
            ("email_encrypted", "planted-login@example.org", Nowhere),
            ("email_index", "planted-login@example.org", Nowhere),
            ("data_key_wrapped", "$USER_KEY", Nowhere),
            ("current_organization_id", "$CLINIC", NotThere),
            ("created_at", "01.700101", SHELL),
        ],
    ),
];
