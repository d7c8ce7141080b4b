//! A person with a value in every personal column, none of which can come about by accident, and the one
//! search for them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use restartix_sdk::{
    core::types::{CreatePatient, Patient},
    telemetry::types::{AnalyticsBatch, ConsentUpdate, NewAnalyticsEvent, PurposeDecisions},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{Answer, Clerk, ClerkApi, ClerkEvent, Clinic, CoreApp, Person, Place, Role, granted, in_days};
use uuid::Uuid;

use super::{execute, registry::Personal};

/// Ids that stand nowhere else: of the person's user, patient and specialist record, and of what others
/// have to do with it.
pub(super) const USER: i64 = 7_300_219_845;
const PATIENT: i64 = 8_400_329_956;
const SPECIALIST: i64 = 9_500_430_067;
const TREATING: i64 = 5_100_007_623;
const SPECIALTY: i64 = 6_200_118_734;
const TEMPLATE: i64 = 2_800_885_401;
const CLINIC: i64 = 4_000_996_512;

/// The program of what the person once did in the other clinic, whose own that is.
pub(super) const ELSEWHERE: &str = "planted-agent-elsewhere";

/// What becomes of a planted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
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
const OTHERS: After = Stays("of another patient's appointment, which nobody is said to have moved");

/// Values that the schema doesn't let be told apart from others': they go with their rows, which other
/// columns find.
const CLOSED: [(&str, &str, &str); 9] = [
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
type Planting = (&'static str, &'static str, &'static [(&'static str, &'static str, After)]);

/// Everything; what begins with `$` is known once it is there.
const PLANTINGS: &[Planting] = &[
    (
        "idempotency_keys",
        "organization:organization_id",
        &[
            ("key_hash", "planted-key-hash", Nowhere),
            ("request_hash", "planted-request-hash", Nowhere),
            ("wrapped_key", "planted-wrapped-key", Nowhere),
            ("answer", "planted-answer", Nowhere),
        ],
    ),
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
        "appointments",
        "patient:patient_id",
        &[
            ("patient_id", "$PATIENT", BOOKED),
            ("title", "planted-title-missed", Nowhere),
            ("title", "planted-title-coming", Nowhere),
            ("title", "planted-title-held", Nowhere),
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
    (
        "patients",
        "patient:id",
        &[
            ("id", "$PATIENT", SHELL),
            ("uid", "$UID", SHELL),
            ("user_id", "$USER", NotThere),
            ("first_name", "Plantedfirst", Nowhere),
            ("last_name", "Plantedlast", Nowhere),
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
            ("created_at", "01.700109", Nowhere),
        ],
    ),
    (
        "impersonations",
        "user:impersonator_user_id",
        &[("impersonator_user_id", "$USER", ACCOUNTABLE), ("created_at", "01.700116", ACCOUNTABLE)],
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

/// Something planted: in which column, how the registry finds it, what it is, and what becomes of it.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) found_by: &'static str,
    pub(super) value: String,
    pub(super) after: After,
}

/// A person that is in every column of the registry.
pub(super) struct Planted {
    pub(super) person: Person,
    pub(super) patient: Patient,
    pub(super) needles: Vec<Needle>,
}

/// Places (`postgresql public.patients.first_name`) by value.
pub(super) type Found = BTreeMap<String, BTreeSet<String>>;

impl Planted {
    /// What was planted in a column of the registry; `None` for one whose values tell nothing apart.
    pub(super) fn needle(&self, line: &Personal) -> Option<&Needle> {
        let Personal { table, column, found_by, .. } = line;
        let here = |needle: &&Needle| {
            (needle.table, needle.column, needle.found_by) == (table.as_str(), column.as_str(), found_by.as_str())
        };
        let needle = self.needles.iter().find(here);
        let closed = CLOSED.iter().any(|(of, name, _)| (*of, *name) == (table.as_str(), column.as_str()));
        assert!(
            needle.is_some() || closed,
            "nothing is planted in {table}.{column} (found by {found_by}); plant something in planting.rs"
        );
        needle
    }

    /// The values that have to be found nowhere.
    pub(super) fn gone(&self) -> impl Iterator<Item = &str> {
        self.needles.iter().filter(|needle| needle.after == Nowhere).map(|needle| needle.value.as_str())
    }

    /// The one search: where in both services anything is that was planted.
    pub(super) async fn search(&self, clinic: &Clinic) -> Found {
        let mut found = self.search_core(&clinic.core).await;
        let values: Vec<String> = found.keys().cloned().collect();
        for (places, more) in found.values_mut().zip(clinic.telemetry.search_each(&values).await) {
            places.extend(names(more));
        }
        found
    }

    /// The same in Core alone.
    pub(super) async fn search_core(&self, app: &CoreApp) -> Found {
        let values: BTreeSet<&String> = self.needles.iter().map(|needle| &needle.value).collect();
        let values: Vec<String> = values.into_iter().cloned().collect();
        let places = app.search_each(&values).await.into_iter().map(|places| names(places).collect());
        values.iter().cloned().zip(places).collect()
    }

    /// What is left in Core of what has to be found nowhere.
    pub(super) async fn left_in_core(&self, app: &CoreApp) -> Found {
        self.left(self.search_core(app).await)
    }

    /// What is left in both services of what has to be found nowhere.
    pub(super) async fn left_in_both(&self, clinic: &Clinic) -> Found {
        self.left(self.search(clinic).await)
    }

    fn left(&self, mut found: Found) -> Found {
        found.retain(|value, places| self.gone().any(|gone| gone == value) && !places.is_empty());
        found
    }
}

fn names(places: Vec<Place>) -> impl Iterator<Item = String> {
    places.into_iter().map(|place| match place.store {
        "postgresql" | "clickhouse" => format!("{} {}.{}", place.store, place.table, place.column),
        store => store.to_owned(),
    })
}

/// A patient record with something in every field.
pub(super) fn planted_record(user_id: Option<i64>) -> CreatePatient {
    CreatePatient {
        address: Some("9917 Planted-Address Row".to_owned()),
        clinical_notes: Some("planted-clinical-note".to_owned()),
        date_of_birth: "1931-07-23".parse().ok(),
        email: Some("planted-email@example.org".to_owned()),
        emergency_contact: Some("Planted-Contact Person".to_owned()),
        national_id: Some("PLANTEDID777".to_owned()),
        phone: Some("+49 555 0199887".to_owned()),
        user_id,
        ..CoreApp::new_patient("Plantedfirst", "Plantedlast")
    }
}

/// Plants a person at home, by operations where there are any.
pub(super) async fn plant(app: &CoreApp, clerk: &ClerkApi) -> Planted {
    let (mut owner, home) = (app.owner().await, app.home().id);
    for (table, id) in [("users", USER), ("patients", PATIENT), ("specialists", SPECIALIST)] {
        execute(&mut owner, &format!("alter table {table} alter column id restart with {id}")).await;
    }
    let person = app.member_add(Role::Patient).await;
    clerk.user_add(&person.clerk_id);
    let profile = json!({ "id": person.clerk_id, "at": 1_000, "first_name": "planted-user-name", "email": "planted-login@example.org" });
    let told = Clerk::sign(&[ClerkEvent::new("user.updated", profile)]);
    assert_eq!(Answer::to(told[0].to(&app.url())).await.status.as_u16(), 204);
    let body = planted_record(Some(person.user_id));
    let patient = granted(app.admin().patient_create().body(body).send().await, 201);
    // What the person does itself leaves its address and program.
    let path = format!("/v1/patients/{}", patient.id);
    let request = app.actor(&person).request(Method::GET, &path).header("user-agent", "planted-user-agent");
    Answer::to(request).await.json(200);
    for (owned_by, name) in [(format!("patients/{}", patient.uid), "scan"), (format!("users/{USER}"), "photo")] {
        app.file_put(&format!("organizations/{home}/{owned_by}/{name}.txt"), "planted-file-body").await;
    }
    for sql in rows(app) {
        execute(&mut owner, &sql).await;
    }
    let needles = needles(&mut owner, &person, &patient).await;
    Planted { person, patient, needles }
}

/// What Telemetry keeps of the person by itself.
pub(super) async fn plant_in_telemetry(clinic: &Clinic, person: &Person) {
    let client = clinic.telemetry_of(&clinic.core.actor(person).in_organization(clinic.core.home().id)).await;
    let consent = ConsentUpdate {
        purposes: PurposeDecisions { analytics: true, media: true, pose: true },
        text_version: "planted-text".to_owned(),
        source: "settings".to_owned(),
    };
    granted(client.consent_put().body(consent).send().await, 200);
    let event = NewAnalyticsEvent {
        event_id: Uuid::now_v7(),
        name: "seen".to_owned(),
        occurred_at: chrono::Utc::now(),
        page: Some("/planted-page".to_owned()),
        properties: std::collections::HashMap::new(),
    };
    let stored = client.analytics_track().body(AnalyticsBatch { sent_at: None, events: vec![event] }).send().await;
    assert_eq!(granted(stored, 202).stored, 1);
}

/// What no operation leaves, or not with values that stand nowhere else.
fn rows(app: &CoreApp) -> Vec<String> {
    [people(app), appointments(app), doings(app)].concat()
}

fn people(app: &CoreApp) -> Vec<String> {
    let home = app.home().id;
    vec![
        format!(
            "insert into organizations (id, name, slug, timezone) overriding system value
             values ({CLINIC}, 'Third', 'third', 'Europe/Berlin')"
        ),
        format!(
            "update users set created_at = '1971-01-01 00:00:01.700101+00', current_organization_id = {CLINIC}
             where id = {USER}"
        ),
        format!("update memberships set created_at = '1971-01-01 00:00:01.700102+00' where user_id = {USER}"),
        format!("update patients set created_at = '1971-01-01 00:00:01.700103+00' where id = {PATIENT}"),
        // The person works here, too: a record of its own.
        format!(
            "insert into specialists (organization_id, user_id, name, title, timezone, created_at)
             values ({home}, {USER}, 'planted-specialist-name', 'planted-specialist-title', 'Europe/Berlin',
                     '1971-01-01 00:00:01.700104+00')"
        ),
        format!(
            "insert into specialists (id, organization_id, name, title, timezone) overriding system value
             values ({TREATING}, {home}, 'Dr. Treating', '', 'Europe/Berlin')"
        ),
        format!(
            "insert into specialist_hours (organization_id, specialist_id, weekday, starts_at, ends_at)
             values ({home}, {SPECIALIST}, 1, '09:00:01.700127', '17:00:01.700128')"
        ),
        format!(
            "insert into specialist_exceptions (organization_id, specialist_id, kind, starts_at, ends_at, created_at)
             values ({home}, {SPECIALIST}, 'unavailable', '1971-01-02 00:00:01.700129', '1971-01-03 00:00:01.700131',
                     '1971-01-01 00:00:01.700132+00')"
        ),
        format!(
            "insert into calendar_feeds (organization_id, user_id, token_hash, created_at)
             values ({home}, {USER}, 'x', '1971-01-01 00:00:01.700117+00')"
        ),
        format!(
            "insert into appointment_templates (id, organization_id, name, slug, duration_minutes, modality)
             overriding system value values ({TEMPLATE}, {home}, 'Hands', 'hands', 60, 'video')"
        ),
        format!(
            "insert into specialties (id, organization_id, name) overriding system value values ({SPECIALTY}, {home}, 'Hands')"
        ),
    ]
}

fn appointments(app: &CoreApp) -> Vec<String> {
    let (home, specialist) = (app.home().id, app.home().specialist_id);
    let coming = in_days(3, 9).to_rfc3339();
    let held = in_days(5, 9).to_rfc3339();
    vec![
        // One that did not take place, one that will, and one that did.
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, appointment_template_id, specialty_id, modality, user_id,
                                       cancelled_at, cancellation_reason)
             values ({home}, 'planted-title-missed', 'cancelled', '1972-01-01 09:00:01.700105+00',
                     '1972-01-01 10:00:01.700106+00', '[1972-01-01 09:00:01.700107+00,1972-01-01 10:00:00+00)', {TREATING},
                     {PATIENT}, {TEMPLATE}, {SPECIALTY}, 'video', {USER}, '1972-01-01 08:00:01.700108+00',
                     'patient_request')"
        ),
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, user_id)
             select {home}, title, status, moment, moment + interval '1 hour', tstzrange(moment, moment + interval '1 hour'),
                    {specialist}, {PATIENT}, {USER}
             from (values ('planted-title-coming', 'scheduled', '{coming}'::timestamptz),
                          ('planted-title-held', 'completed', '{held}'::timestamptz)) a (title, status, moment)"
        ),
        format!(
            "insert into video_rooms (organization_id, appointment_id, patient_id, specialist_id, name, url, opens_at,
                                      closes_at)
             select {home}, id, {PATIENT}, {specialist}, 'planted-room-name', 'https://planted-room.example.org/',
                    '1972-01-01 08:45:01.700118+00', '1972-01-01 10:15:01.700119+00'
             from appointments where title = 'planted-title-coming'"
        ),
        format!(
            "insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                                  from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                                  to_ended_at, user_id, created_at)
             select {home}, id, {PATIENT}, {TREATING}, '1972-01-02 09:00:01.700121+00', '1972-01-02 10:00:01.700122+00',
                    {TREATING}, '1972-01-03 09:00:01.700123+00', '1972-01-03 10:00:01.700124+00', {USER},
                    '1971-01-01 00:00:01.700125+00'
             from appointments where title = 'planted-title-held'"
        ),
    ]
}

fn doings(app: &CoreApp) -> Vec<String> {
    let (home, away) = (app.home(), app.away().id);
    let (home, admin, specialist) = (home.id, home.admin.user_id, home.specialist_id);
    vec![
        // Somebody acted as the person; and the person, when it was an administrator, as somebody else.
        format!(
            "insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id,
                                         reason, created_at, expires_at)
             values ({home}, 'a', {admin}, {PATIENT}, {USER}, 'planted-reason', '1971-01-01 00:00:01.700109+00',
                     '1971-01-01 00:10:00+00')"
        ),
        format!(
            "with key as (insert into data_keys (id, organization_id, wrapped) values (gen_random_uuid(), {home}, 'x')
                          returning id),
                  other as (insert into patients (id, organization_id, uid, data_key_id, first_name, last_name)
                            overriding system value select 77, {home}, gen_random_uuid(), id, 'An', 'Other' from key
                            returning id)
             insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id,
                                         reason, created_at, expires_at)
             select {home}, 'b', {USER}, id, {admin}, 'Called', '1971-01-01 00:00:01.700116+00', '1971-01-01 00:10:00+00'
             from other"
        ),
        // What it holds for that one, and moved.
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id,
                                       patient_id, user_id, holder, hold_expires_at)
             values ({home}, 'Of another', 'held', '1972-02-01 09:00+00', '1972-02-01 10:00+00',
                     '[1972-02-01 09:00+00,1972-02-01 10:00+00)', {specialist}, 77, {USER}, 'planted-holder',
                     now() + interval '1 day')"
        ),
        format!(
            "insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                                  from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                                  to_ended_at, user_id, created_at)
             select {home}, id, 77, {specialist}, '1972-02-02 09:00+00', '1972-02-02 10:00+00', {specialist}, started_at,
                    ended_at, {USER}, '1971-01-01 00:00:01.700126+00'
             from appointments where title = 'Of another'"
        ),
        format!(
            "insert into api_keys (organization_id, name, prefix, secret_hash, scopes, created_by, created_at)
             values ({home}, 'Lab', 'rxkey_1', 'x', '{{}}', {USER}, '1971-01-01 00:00:01.700111+00')"
        ),
        format!(
            "insert into jobs (id, organization_id, kind, created_by, created_at)
             select gen_random_uuid(), organization, 'planted_kind', {USER}, '1971-01-01 00:00:01.700112+00'
             from unnest(array[{home}, 0]) organization"
        ),
        format!(
            "insert into idempotency_keys (id, organization_id, key_hash, request_hash, status, wrapped_key, answer)
             values (gen_random_uuid(), {home}, 'planted-key-hash', 'planted-request-hash', 201, 'planted-wrapped-key',
                     'planted-answer')"
        ),
        // What it did here, as an administrator for another, and in no organization; what was done to it.
        format!(
            "with entry as (
                 insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, impersonator_user_id,
                                        action, entity_type, entity_id, changed_fields, operation_id, request_id, outcome)
                 values
                     (gen_random_uuid(), '1971-01-01 00:00:01.700113+00', {home}, 'user', {USER}, null, 'planted_action_1',
                      'planted_type_1', null, '{{}}', 'planted_operation', 'planted-request', 'succeeded'),
                     (gen_random_uuid(), '1971-01-01 00:00:01.700114+00', {home}, 'user', {admin}, {USER},
                      'planted_action_2', 'planted_type_2', null, '{{}}', 'read', 'r', 'succeeded'),
                     (gen_random_uuid(), '1971-01-01 00:00:01.700115+00', {home}, 'user', {admin}, null,
                      'planted_action_3', 'user', {USER}, '{{planted_field}}', 'update', 'r', 'succeeded')
                 returning id, action)
             insert into audit_personal (audit_id, organization_id, ip, user_agent)
             select id, {home}, '203.0.113.77', null from entry where action = 'planted_action_1'"
        ),
        attempt(0, "planted-agent-of-none"),
        attempt(away, ELSEWHERE),
    ]
}

/// Something that the person was denied, on its way to Telemetry.
fn attempt(organization: i64, user_agent: &str) -> String {
    let id = Uuid::now_v7();
    format!(
        "insert into audit_log (id, occurred_at, organization_id, actor_kind, actor_user_id, action, entity_type,
                                operation_id, request_id, outcome)
         values ('{id}', now(), {organization}, 'user', {USER}, 'read', 'session', 'me_get', 'r', 'denied');
         insert into audit_personal values ('{id}', {organization}, '203.0.113.78', '{user_agent}');
         insert into audit_outbox (audit_id, organization_id) values ('{id}', {organization})"
    )
}

async fn text(owner: &mut PgConnection, sql: String) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

async fn needles(owner: &mut PgConnection, person: &Person, patient: &Patient) -> Vec<Needle> {
    assert_eq!((person.user_id, patient.id), (USER, PATIENT));
    let user_key = format!("select encode(data_key_wrapped, 'hex') from users where id = {USER}");
    let key = format!(
        "select encode(k.wrapped, 'hex') from data_keys k join patients p on p.data_key_id = k.id where p.id = {PATIENT}"
    );
    let names = BTreeMap::from([
        ("$USER", USER.to_string()),
        ("$USER_UID", text(owner, format!("select uid::text from users where id = {USER}")).await),
        ("$USER_KEY", text(owner, user_key).await),
        ("$CLERK_ID", person.clerk_id.clone()),
        ("$PATIENT", PATIENT.to_string()),
        ("$UID", patient.uid.to_string()),
        ("$KEY", text(owner, key).await),
        ("$SPECIALIST", SPECIALIST.to_string()),
        ("$TREATING", TREATING.to_string()),
        ("$SPECIALTY", SPECIALTY.to_string()),
        ("$TEMPLATE", TEMPLATE.to_string()),
        ("$CLINIC", CLINIC.to_string()),
    ]);
    let mut needles = Vec::new();
    for &(table, found_by, values) in PLANTINGS {
        needles.extend(values.iter().map(|&(column, value, after)| {
            let value = names.get(value).cloned().unwrap_or_else(|| value.to_owned());
            Needle { table, column, found_by, value, after }
        }));
    }
    needles
}
