//! A person with a unique value in every personal column, and the search for these values.

mod form;
mod profile;
mod rows;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use restartix_sdk::{
    core::types::{BeginImpersonation, ConnectUser, CreatePatient, MergePatient, Patient},
    telemetry::types::{AnalyticsBatch, ConsentUpdate, NewAnalyticsEvent, PurposeDecisions},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{
    Answer, Clerk, ClerkApi, ClerkEvent, Clinic, CoreApp, Person, Place, Role, granted, in_days, until,
};
use uuid::Uuid;

use self::{
    form::{SIGNED, VOIDED},
    rows::rows,
    table::{CLINIC, CLOSED, PATIENT, PLANTINGS, SEGMENT, SPECIALIST, SPECIALTY, TEMPLATE, TREATING, TWIN},
};
use super::{count, execute, registry::Personal};

pub(super) use self::table::{After, CLIENT_REQUEST, ELSEWHERE, USER};

/// Planted value: its column, the way in which the registry finds it, and its fate.
#[derive(Debug, Clone)]
pub(super) struct Needle {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) found_by: &'static str,
    pub(super) value: String,
    pub(super) after: After,
}

/// Person with a value in every column of the registry.
pub(super) struct Planted {
    pub(super) person: Person,
    pub(super) patient: Patient,
    pub(super) needles: Vec<Needle>,
}

/// Places (`postgresql public.patients.first_name`) by value.
pub(super) type Found = BTreeMap<String, BTreeSet<String>>;

impl Planted {
    /// Returns the value planted in a column of the registry; `None` for a column whose values can't be unique.
    pub(super) fn needle(&self, line: &Personal) -> Option<&Needle> {
        let Personal { table, column, found_by, .. } = line;
        let here = |needle: &&Needle| {
            (needle.table, needle.column, needle.found_by) == (table.as_str(), column.as_str(), found_by.as_str())
        };
        let needle = self.needles.iter().find(here);
        let closed = CLOSED.iter().any(|(of, name, _)| (*of, *name) == (table.as_str(), column.as_str()));
        assert!(
            needle.is_some() || closed,
            "nothing is planted in {table}.{column} (found by {found_by}); plant something in planting/table.rs"
        );
        needle
    }

    /// Returns the values that must not be found after an erasure.
    pub(super) fn gone(&self) -> impl Iterator<Item = &str> {
        self.needles.iter().filter(|needle| needle.after == After::Nowhere).map(|needle| needle.value.as_str())
    }

    /// Searches both services for all planted values.
    pub(super) async fn search(&self, clinic: &Clinic) -> Found {
        let mut found = self.search_core(&clinic.core).await;
        let values: Vec<String> = found.keys().cloned().collect();
        for (places, more) in found.values_mut().zip(clinic.telemetry.search_each(&values).await) {
            places.extend(names(more));
        }
        found
    }

    /// Searches Core for all planted values.
    pub(super) async fn search_core(&self, app: &CoreApp) -> Found {
        let values: BTreeSet<&String> = self.needles.iter().map(|needle| &needle.value).collect();
        let values: Vec<String> = values.into_iter().cloned().collect();
        let places = app.search_each(&values).await.into_iter().map(|places| names(places).collect());
        values.iter().cloned().zip(places).collect()
    }

    /// Returns the values left in Core that must not be found.
    pub(super) async fn left_in_core(&self, app: &CoreApp) -> Found {
        self.left(self.search_core(app).await)
    }

    /// Returns the values left in both services that must not be found.
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

/// Patient record with a value in every field.
pub(super) fn planted_record() -> CreatePatient {
    CreatePatient {
        address: Some("9917 Planted-Address Row".to_owned()),
        clinical_notes: Some("planted-clinical-note".to_owned()),
        date_of_birth: "1931-07-23".parse().ok(),
        email: Some("planted-email@example.org".to_owned()),
        emergency_contact: Some("Planted-Contact Person".to_owned()),
        national_id: Some("PLANTEDID777".to_owned()),
        phone: Some("+49 555 0199887".to_owned()),
        ..CoreApp::new_patient("Plantedfirst", "Plantedlast")
    }
}

/// Plants a person in the home organization, by operations as far as possible.
pub(super) async fn plant(app: &CoreApp, clerk: &ClerkApi) -> Planted {
    let (mut owner, home) = (app.owner().await, app.home().id);
    for (table, id) in [("users", USER), ("patients", PATIENT), ("specialists", SPECIALIST)] {
        execute(&mut owner, &format!("alter table {table} alter column id restart with {id}")).await;
    }
    let person = app.member_add(Role::Patient).await;
    clerk.user_add(&person.clerk_id);
    // The invitation was made before the address had an account; the person is a member now.
    let body = ConnectUser {
        email: Some("planted-login@example.org".to_owned()),
        user_id: None,
        role: restartix_sdk::core::types::MemberRole::Staff,
    };
    granted(app.admin().member_connect().organization_id(home).body(body).send().await, 201);
    let profile = json!({ "id": person.clerk_id, "at": 1_000, "first_name": "planted-user-name", "email": "planted-login@example.org" });
    let told = Clerk::sign(&[ClerkEvent::new("user.updated", profile)]);
    assert_eq!(Answer::to(told[0].to(&app.url())).await.status.as_u16(), 204);
    let patient = app.patient_of(&person, planted_record()).await;
    // The person was entered twice.
    let twin = app.patient_create(&app.admin(), "Entered", "Twice").await;
    let body = MergePatient { merged_patient_id: twin.id, merged_version: twin.version, version: patient.version };
    granted(app.admin().patient_merge().patient_id(patient.id).body(body).send().await, 200);
    // Requests of the person leave its IP address and user agent.
    let path = format!("/v1/patients/{}", patient.id);
    let request = app.actor(&person).request(Method::GET, &path).header("user-agent", "planted-user-agent");
    Answer::to(request.header("x-request-id", CLIENT_REQUEST)).await.json(200);
    form::plant(app, &mut owner, &person).await;
    let mut series = CoreApp::new_series(app.home().specialist_id, patient.id, in_days(40, 9), CoreApp::daily(2));
    series.title = Some("planted-sealed-series".to_owned());
    granted(app.admin().appointment_series_create().body(series).send().await, 201);
    let body = BeginImpersonation { minutes: None, reason: "planted-sealed-reason".to_owned() };
    granted(app.admin().patient_impersonate().patient_id(patient.id).body(body).send().await, 201);
    for (owned_by, name) in [(format!("patients/{}", patient.uid), "scan"), (format!("users/{USER}"), "photo")] {
        app.file_put(&format!("organizations/{home}/{owned_by}/{name}.txt"), "planted-file-body").await;
    }
    // Plaintext is planted, too, and must not be encrypted before the search.
    let once = "select count(*) from jobs where kind = 'texts_seal' and state = 'queued' and run_at > now()";
    until("what seals older texts has come round", CoreApp::PATIENCE, || async {
        (count(app, once.to_owned()).await == 1).then_some(())
    })
    .await;
    for sql in rows(app) {
        execute(&mut owner, &sql).await;
    }
    profile::plant(app, &mut owner).await;
    let needles = needles(&mut owner, &person, &patient).await;
    Planted { person, patient, needles }
}

/// Plants data that only Telemetry holds.
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

async fn text(owner: &mut PgConnection, sql: String) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

async fn needles(owner: &mut PgConnection, person: &Person, patient: &Patient) -> Vec<Needle> {
    assert_eq!((person.user_id, patient.id), (USER, PATIENT));
    let user_key = format!("select encode(data_key_wrapped, 'hex') from users where id = {USER}");
    let key = format!(
        "select encode(k.wrapped, 'hex') from data_keys k join patients p on p.data_key_id = k.id where p.id = {PATIENT}"
    );
    let invited_key =
        "select encode(data_key_wrapped, 'hex') from invitations where email_index is not null".to_owned();
    let names = BTreeMap::from([
        ("$USER", USER.to_string()),
        ("$USER_UID", text(owner, format!("select uid::text from users where id = {USER}")).await),
        ("$USER_KEY", text(owner, user_key).await),
        ("$INVITED", text(owner, "select uid::text from invitations where email_index is not null".to_owned()).await),
        ("$INVITED_KEY", text(owner, invited_key).await),
        ("$CLERK_ID", person.clerk_id.clone()),
        ("$PATIENT", PATIENT.to_string()),
        ("$TWIN", TWIN.to_string()),
        ("$UID", patient.uid.to_string()),
        ("$KEY", text(owner, key).await),
        ("$SPECIALIST", SPECIALIST.to_string()),
        ("$TREATING", TREATING.to_string()),
        ("$SPECIALTY", SPECIALTY.to_string()),
        ("$TEMPLATE", TEMPLATE.to_string()),
        ("$CLINIC", CLINIC.to_string()),
        ("$SIGNED", SIGNED.to_string()),
        ("$SEGMENT", SEGMENT.to_string()),
        ("$VOIDED", VOIDED.to_string()),
    ]);
    let mut needles = Vec::new();
    for &(table, found_by, values) in PLANTINGS.iter().chain(form::PLANTINGS) {
        needles.extend(values.iter().map(|&(column, value, after)| {
            let value = names.get(value).cloned().unwrap_or_else(|| value.to_owned());
            Needle { table, column, found_by, value, after }
        }));
    }
    needles
}
