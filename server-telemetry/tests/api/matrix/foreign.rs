//! An administrator names data of another organization, wherever an operation takes an id: nothing is found,
//! shown or changed.

use chrono::Utc;
use restartix_sdk::telemetry::types::{NewAuditEvent, NewExclusion};
use serde_json::{Value, json};
use test_support::{Answer, Contents, Location, Operation, Parameter, TelemetryApp, TelemetryPerson, granted};
use uuid::Uuid;

use super::{
    asker::{AWAY, Asker, HOME, person},
    fixture::World,
    stores::Stores,
};
use crate::{audit, support};

/// Parameters that do not name data of an organization.
const PLAIN: [&str; 11] = [
    "page",
    "page_size",
    "from",
    "to",
    "after_position",
    "subject_kind",
    "mode",
    "dry_run",
    "kind",
    "severity",
    // Word of the client's own.
    "exercise_id",
];

/// User of the other organization.
const STRANGER: i64 = 77_007_007;

/// Name of everything with a name in the other organization.
const MARK: &str = "hidden";

/// Request id given by a client of the other organization.
const CLIENT_REQUEST: Uuid = Uuid::from_u128(0x7700_7007);

struct Foreign {
    entry: Uuid,
    event: Uuid,
    session: Uuid,
}

impl Foreign {
    async fn new(app: &TelemetryApp) -> Self {
        let stranger = TelemetryPerson { user: STRANGER, organization: Some(AWAY), ..person("patient") };
        let client = app.person(&stranger);
        granted(client.consent_put().body(support::decision(true, true, true)).send().await, 200);
        let read = NewAuditEvent {
            actor_user_id: Some(STRANGER),
            action: MARK.to_owned(),
            entity_type: MARK.to_owned(),
            entity_id: Some(MARK.to_owned()),
            request_id: Some(format!("{MARK}-request")),
            client_request_id: Some(CLIENT_REQUEST),
            ..audit::event(AWAY)
        };
        let (entry, event, session) = (read.id, support::event(MARK), Uuid::now_v7());
        let found = Self { entry, event: event.event_id, session };
        audit::ingest(app, vec![read]).await;
        granted(client.analytics_track().body(support::batch(vec![event])).send().await, 202);
        let token = stranger.token();
        let now = Utc::now().to_rfc3339();
        for (path, body) in [
            (
                "/v1/media/events",
                json!({ "session_id": session, "events": [
                    { "kind": "started", "sequence": 0, "occurred_at": now, "session_kind": "video_call" }] }),
            ),
            (
                "/v1/pose/frames",
                json!({ "session_id": session, "started_at": now, "exercise_id": MARK, "frames": [
                    { "offset_ms": 0, "landmarks": vec![[0.5, 0.25, -0.125, 1.0]; 33] }] }),
            ),
        ] {
            let request = app.request(reqwest::Method::POST, path).bearer_auth(&token).json(&body);
            assert_eq!(Answer::to(request).await.json(202)["stored"], 1);
        }
        let body = NewExclusion { subject_id: None };
        granted(client.exclusion_create().body(body).send().await, 201);
        let clinic = NewExclusion { subject_id: Some(STRANGER) };
        granted(app.admin(AWAY).exclusion_create().body(clinic).send().await, 201);
        found
    }

    /// Returns a value for the parameter that names data of the other organization.
    fn value(&self, operation: &Operation, parameter: &Parameter) -> Option<Value> {
        Some(match parameter.name.as_str() {
            "organization_id" => json!(AWAY),
            "subject_id" | "actor_user_id" => json!(STRANGER),
            "audit_id" => json!(self.entry),
            "action" | "entity_type" | "entity_id" => json!(MARK),
            "request_id" => json!(format!("{MARK}-request")),
            "client_request_id" => json!(CLIENT_REQUEST),
            "cursor" if ["audit_log_list", "security_event_list"].contains(&operation.id.as_str()) => json!(self.entry),
            // A head that would be signed the day after tomorrow.
            "cursor" if operation.id == "audit_head_list" => json!(format!("99999:{AWAY}")),
            "event_id" => json!(self.event),
            "session_id" => json!(self.session),
            "appointment_id" => json!(1041),
            _ => return None,
        })
    }
}

/// Outcome of a request that names data of another organization.
enum Outcome {
    /// Refused with this status and code.
    Refused(u16, &'static str),
    /// Answered with an empty list.
    Nothing,
    /// Done, with an effect on the caller's own organization only.
    Done,
}

fn outcome(operation: &Operation, parameter: &Parameter) -> Outcome {
    match (operation.id.as_str(), parameter.name.as_str(), parameter.location) {
        // Only Core may call these.
        (
            "access_revocation_create"
            | "audit_ingest"
            | "organization_settings_put"
            | "privacy_subject_erase"
            | "privacy_subject_export"
            | "privacy_job_get"
            | "privacy_subject_consent_put"
            | "privacy_subject_join",
            _,
            _,
        ) => Outcome::Refused(401, "unauthenticated"),
        ("audit_log_get", _, Location::Path) => Outcome::Refused(404, "audit_log_not_found"),
        ("exclusion_delete", _, Location::Path) => Outcome::Refused(404, "exclusion_not_found"),
        (_, "organization_id", Location::Query) => Outcome::Refused(404, "organization_not_found"),
        (_, name, Location::Query) if name != "cursor" => Outcome::Nothing,
        (id, name, Location::Path) => panic!("say in matrix/foreign.rs what {id} answers for a foreign {name}"),
        // Cursors within the own list; ids that clients make; and users, whom only Core knows: the same number in
        // another organization is another person.
        (_, _, Location::Query | Location::Body) => Outcome::Done,
    }
}

#[tokio::test]
async fn what_is_another_organizations_is_not_there_in_the_matrix() {
    let world = World::new(TelemetryApp::start().await).await;
    let foreign = Foreign::new(&world.app).await;
    let mut stores = Stores::of(&world.app).await;
    let held = stores.take().await;
    for table in ["audit.audit_logs", "privacy.exclusions", "clickhouse analytics_events", "clickhouse pose_frames"] {
        assert!(held.contains_key(&(table.to_owned(), AWAY)), "{table} is not looked at: {held:?}");
    }
    let admin = Asker::named("admin");
    let mut tried = 0;
    // In reverse order, because an exclusion at home with the number of a foreign user would otherwise be found
    // later.
    for operation in Operation::all(&world.app.server).iter().rev().filter(|operation| !operation.public) {
        // A refused request leaves the fixture unused.
        let home = world.fixture(&operation.id).await;
        let mut before = stores.take().await;
        for parameter in operation.parameters.iter().filter(|parameter| !PLAIN.contains(&parameter.name.as_str())) {
            let what = format!("{} with {}", operation.id, parameter.pointer);
            let outcome = outcome(operation, parameter);
            let fixture = match (foreign.value(operation, parameter), &outcome) {
                (Some(value), _) => home.clone().naming(parameter, &value),
                // The caller is nobody here, whatever it names.
                (None, Outcome::Refused(401, _)) => home.clone(),
                (None, _) => panic!(
                    "{what}: say in matrix/foreign.rs what of another organization's it could name, or that it names \
                     nothing"
                ),
            };
            let answer = Answer::to(admin.request(&world.app, operation, &fixture)).await;
            let after = stores.take().await;
            for text in [MARK.to_owned(), STRANGER.to_string()] {
                // An exclusion returns the id that the caller sent.
                let told = operation.id == "exclusion_create" && text == STRANGER.to_string();
                assert!(told || !answer.body.contains(&text), "{what}: the answer tells of others: {}", answer.body);
            }
            match outcome {
                Outcome::Refused(status, code) => drop(answer.refusal(status, code)),
                Outcome::Nothing => assert_eq!(answer.json(200)["data"], json!([]), "{what}"),
                Outcome::Done => {
                    assert!(operation.successes.contains(&answer.status.as_u16()), "{what}: {}", answer.body);
                }
            }
            let of = |contents: &Contents| {
                let mut contents = contents.clone();
                // A successful request may change the home organization; the audit entry about a reading is in its
                // trail, too.
                contents.retain(|(_, organization), _| *organization != HOME || !answer.status.is_success());
                contents
            };
            assert_eq!(of(&after), of(&before), "{what}: something was changed");
            before = after;
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} requests named something foreign");
}
