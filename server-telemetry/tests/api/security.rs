//! `/v1/security/events`: security events that rules derive from the audit trail, and audit entries about
//! refused requests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::telemetry::types::{
    ActorKind, AuditLog, AuditOutcome, NewAuditEvent, SecurityEvent, SecuritySeverity,
};
use test_support::{Answer, TelemetryApp, TelemetryPerson, granted, refused, until};
use uuid::Uuid;

use crate::{
    audit::{batch, event, ingest},
    chain::verify,
    support::{millis, patient},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Starts Telemetry with thresholds of three.
async fn start() -> TelemetryApp {
    let rules = ["DENIED_ACCESS", "FAILED_AUTHENTICATION", "MASS_EXPORT", "PATIENT_ACCESS"];
    let builder =
        rules.iter().fold(TelemetryApp::builder(), |builder, rule| builder.env(&format!("SECURITY_{rule}"), "3/10m"));
    builder.start().await
}

/// Returns an action of user 42 of organization 1 at this second of the test's hour.
fn done(at: i64, entity_type: &str, action: &str) -> NewAuditEvent {
    let hour = millis(Utc::now()) - TimeDelta::hours(2);
    NewAuditEvent {
        occurred_at: hour + TimeDelta::seconds(at),
        entity_type: entity_type.to_owned(),
        action: action.to_owned(),
        changed_fields: Vec::new(),
        ..event(1)
    }
}

fn denied(at: i64) -> NewAuditEvent {
    NewAuditEvent {
        outcome: AuditOutcome::Denied,
        error_code: Some("permission_denied".to_owned()),
        ..done(at, "appointment", "delete")
    }
}

/// Returns an event that Core records about a caller that is not authenticated.
fn stranger(at: i64, address: &str, code: &str) -> NewAuditEvent {
    NewAuditEvent {
        organization_id: 0,
        actor_kind: ActorKind::Anonymous,
        actor_user_id: None,
        ip: Some(address.to_owned()),
        error_code: Some(code.to_owned()),
        ..denied(at)
    }
}

fn read(at: i64, id: &str) -> NewAuditEvent {
    NewAuditEvent { entity_id: Some(id.to_owned()), ..done(at, "patient", "read") }
}

async fn events(app: &TelemetryApp, organization: i64) -> Vec<SecurityEvent> {
    let superadmin = app.superadmin();
    granted(superadmin.security_event_list().organization_id(organization).send().await, 200).data
}

/// Kind, severity and occurrences.
fn said(events: &[SecurityEvent]) -> Vec<(&str, &str, i64)> {
    events.iter().map(|event| (event.kind.as_str(), event.severity.as_str(), event.occurrences)).collect()
}

#[tokio::test]
async fn repeated_denials_are_an_event_once_they_are_enough() {
    let app = start().await;
    let tries: Vec<NewAuditEvent> = (0..5).map(|number| denied(number * 60)).collect();
    ingest(&app, tries[..2].to_vec()).await;
    assert_eq!(events(&app, 1).await, [], "below the threshold there is nothing");
    // Sent again, as after an answer that was lost.
    ingest(&app, tries[..2].to_vec()).await;
    assert_eq!(events(&app, 1).await, [], "what comes again is not counted again");

    ingest(&app, tries[..3].to_vec()).await;
    let noticed = granted(app.admin(1).security_event_list().send().await, 200).data;
    assert_eq!(said(&noticed), [("denied_access", "medium", 3)]);
    let first = &noticed[0];
    assert_eq!((first.organization_id, first.actor_user_id, first.actor_api_key_id), (1, Some(42), None));
    assert_eq!((first.first_seen_at, first.last_seen_at), (tries[0].occurred_at, tries[2].occurred_at));
    assert_eq!((first.details.threshold, first.details.window_seconds), (3, 600));
    assert_eq!(first.audit_ids, [tries[2].id, tries[1].id, tries[0].id], "the newest first");

    // While the pattern continues, it is the same event.
    ingest(&app, tries.clone()).await;
    ingest(&app, tries.clone()).await;
    let going_on = events(&app, 1).await;
    assert_eq!((said(&going_on), going_on[0].id), (vec![("denied_access", "medium", 5)], first.id));
    assert_eq!(going_on[0].last_seen_at, tries[4].occurred_at);

    // After a quiet window a new event needs the whole threshold again.
    ingest(&app, vec![denied(3_000), denied(3_001)]).await;
    assert_eq!(events(&app, 1).await.len(), 1);
    ingest(&app, vec![denied(3_002)]).await;
    let again = events(&app, 1).await;
    assert_eq!(said(&again), [("denied_access", "medium", 3), ("denied_access", "medium", 5)]);
    assert_ne!(again[0].id, first.id);
}

#[tokio::test]
async fn only_what_lies_within_one_window_counts_together() {
    let app = start().await;
    // Never three within ten minutes, in whatever batches they are sent.
    ingest(&app, vec![denied(0), denied(500)]).await;
    ingest(&app, vec![denied(601), denied(1_200)]).await;
    let others = NewAuditEvent { actor_user_id: Some(43), ..denied(602) };
    let elsewhere = NewAuditEvent { organization_id: 2, ..denied(603) };
    ingest(&app, vec![others, elsewhere]).await;
    assert_eq!(events(&app, 1).await, []);
    // Events that arrive late are judged by the time at which they occurred.
    ingest(&app, vec![denied(400)]).await;
    let noticed = events(&app, 1).await;
    assert_eq!(noticed.len(), 1, "{noticed:?}");
    // An entry that stands for several attempts counts as several.
    ingest(&app, vec![NewAuditEvent { organization_id: 3, occurrences: Some(250), ..denied(0) }]).await;
    assert_eq!(said(&events(&app, 3).await), [("denied_access", "medium", 250)]);
}

#[tokio::test]
async fn racing_batches_make_one_event_of_all_they_bring() {
    let app = start().await;
    let sends: Vec<_> = (0..12)
        .map(|number| {
            let service = app.service();
            let events = batch(vec![denied(number), read(number, &format!("{number}"))]);
            tokio::spawn(async move { granted(service.audit_ingest().body(events).send().await, 202) })
        })
        .collect();
    for send in sends {
        send.await.expect("the task ends");
    }
    let mut noticed = events(&app, 1).await;
    noticed.sort_by(|one, other| one.kind.cmp(&other.kind));
    assert_eq!(said(&noticed), [("denied_access", "medium", 12), ("patient_access", "high", 12)]);
}

#[tokio::test]
async fn failed_authentications_are_counted_by_address() {
    let app = start().await;
    let from = |at, address| stranger(at, address, "invalid_api_key");
    ingest(&app, vec![from(0, "203.0.113.7"), from(1, "203.0.113.8"), from(2, "203.0.113.7")]).await;
    let expired = (3..9).map(|at| stranger(at, "203.0.113.7", "token_expired"));
    ingest(&app, expired.collect()).await;
    assert_eq!(events(&app, 0).await, [], "an expired token is nobody's guess");
    ingest(&app, vec![from(10, "203.0.113.7")]).await;
    let noticed = events(&app, 0).await;
    assert_eq!(said(&noticed), [("failed_authentication", "high", 3)]);
    assert_eq!((noticed[0].actor_user_id, noticed[0].audit_ids.len()), (None, 3));
    // The trail has the address, where erasure finds it; the security events do not.
    let places = app.search("203.0.113.7").await;
    assert!(places.iter().all(|place| place.table == "audit.audit_personal"), "{places:?}");
}

#[tokio::test]
async fn a_scan_is_one_event() {
    let mut app = start().await;
    let scan = |at| NewAuditEvent {
        entity_type: "attack".to_owned(),
        action: "blocked".to_owned(),
        operation_id: Some("attack_blocked".to_owned()),
        ..stranger(at, "203.0.113.9", "secrets")
    };
    ingest(&app, vec![scan(0)]).await;
    ingest(&app, vec![scan(61), scan(122)]).await;
    assert_eq!(said(&events(&app, 0).await), [("attack_path", "medium", 3)]);

    // Scans of Telemetry itself are recorded as well: they are counted for a minute, or until the service stops.
    for path in ["/.env", "/.git/config"] {
        let answer = Answer::to(app.request(Method::GET, path)).await;
        assert_eq!(answer.status.as_u16(), 404, "{path}");
    }
    app.server.stop().await;
    app.server.start().await;
    let (noticed, _) = until("the scan is noticed", PATIENCE, || async {
        Some(events(&app, 0).await).filter(|noticed| noticed.len() == 2)
    })
    .await;
    assert_eq!(said(&noticed)[0], ("attack_path", "medium", 2));
}

#[tokio::test]
async fn exports_and_patients_are_counted_by_actor() {
    let app = start().await;
    let export = |at| done(at, "user", "exported");
    ingest(&app, vec![export(0), export(1)]).await;
    // Reading the same patients again adds none, nor do patients that were not found.
    ingest(&app, vec![read(0, "1"), read(1, "2"), read(2, "1")]).await;
    let nobody = NewAuditEvent { entity_id: None, ..read(3, "0") };
    ingest(&app, vec![read(4, "2"), nobody, done(5, "appointment", "read")]).await;
    assert_eq!(events(&app, 1).await, []);

    // An API key is a different actor.
    let key = NewAuditEvent {
        actor_kind: ActorKind::ApiKey,
        actor_user_id: None,
        actor_api_key_id: Some(5),
        entity_id: None,
        entity_ids: vec!["1".to_owned(), "2".to_owned(), "3".to_owned()],
        ..read(6, "0")
    };
    ingest(&app, vec![key]).await;
    let noticed = events(&app, 1).await;
    assert_eq!(said(&noticed), [("patient_access", "high", 3)]);
    assert_eq!((noticed[0].actor_user_id, noticed[0].actor_api_key_id), (None, Some(5)));

    ingest(&app, vec![export(7), read(8, "3")]).await;
    let kind = |kind: &str| {
        let (superadmin, kind) = (app.superadmin(), kind.to_owned());
        async move { granted(superadmin.security_event_list().kind(kind).organization_id(1).send().await, 200).data }
    };
    assert_eq!(said(&kind("mass_export").await), [("mass_export", "high", 3)]);
    let by_user: Vec<SecurityEvent> =
        kind("patient_access").await.into_iter().filter(|event| event.actor_user_id == Some(42)).collect();
    assert_eq!(said(&by_user), [("patient_access", "high", 3)]);
}

#[tokio::test]
async fn rights_and_impersonation_are_told_of_each_time() {
    let app = TelemetryApp::start().await;
    let role = NewAuditEvent { changed_fields: vec!["role".to_owned()], ..done(0, "membership", "updated") };
    ingest(&app, vec![role]).await;
    ingest(&app, vec![done(60, "api_key", "created"), done(70, "membership", "admin_granted")]).await;
    // None of these grants anybody more privileges.
    let harmless = ["created", "deleted"].map(|action| done(80, "membership", action));
    let failed = NewAuditEvent { outcome: AuditOutcome::Failed, ..done(80, "api_key", "created") };
    ingest(&app, harmless.into_iter().chain([failed]).collect()).await;
    assert_eq!(said(&events(&app, 1).await), [("privilege_change", "medium", 3)]);

    ingest(&app, vec![done(90, "impersonation", "began"), done(95, "impersonation", "ended")]).await;
    // Denied actions during an impersonation count for the impersonator.
    let denials = (100..110).map(|at| NewAuditEvent { impersonator_user_id: Some(9), ..denied(at) });
    ingest(&app, denials.collect()).await;
    let noticed = events(&app, 1).await;
    let expected = [("denied_access", "medium", 10), ("impersonation", "low", 1), ("privilege_change", "medium", 3)];
    assert_eq!(said(&noticed), expected, "those that were noticed last first");
    let actors: Vec<Option<i64>> = noticed.iter().map(|event| event.actor_user_id).collect();
    assert_eq!(actors, [Some(9), Some(42), Some(42)]);
}

#[tokio::test]
async fn each_organization_sees_its_own_events_page_by_page() {
    let app = start().await;
    let exporter = |user: i64, at: i64| NewAuditEvent { actor_user_id: Some(user), ..done(at, "user", "exported") };
    for user in 1..=3 {
        ingest(&app, (0..3).map(|at| exporter(user, user * 1_000 + at)).collect()).await;
    }
    ingest(&app, (0..3).map(|at| NewAuditEvent { organization_id: 2, ..denied(at) }).collect()).await;
    let admin = app.admin(1);
    let mut users = Vec::new();
    let mut cursor = None;
    loop {
        let list = admin.security_event_list().page_size(2);
        let list = if let Some(cursor) = cursor { list.cursor(cursor) } else { list };
        let page = granted(list.send().await, 200);
        users.extend(page.data.iter().filter_map(|event| event.actor_user_id));
        let Some(next) = page.meta.next_cursor else { break };
        cursor = Some(next.parse::<Uuid>().expect("cursors are ids"));
    }
    assert_eq!(users, [3, 2, 1], "its own, newest first");

    let moment = |at: i64| -> DateTime<Utc> { exporter(1, at).occurred_at };
    let list = || admin.security_event_list();
    for (what, query, expected) in [
        ("severity", list().severity(SecuritySeverity::High), 3),
        ("another severity", list().severity(SecuritySeverity::Low), 0),
        ("kind", list().kind("mass_export"), 3),
        ("another kind", list().kind("denied_access"), 0),
        ("from", list().from(moment(2_500)), 1),
        ("to", list().to(moment(1_500)), 1),
        ("from and to", list().from(moment(1_500)).to(moment(2_500)), 1),
    ] {
        assert_eq!(granted(query.send().await, 200).data.len(), expected, "filter by {what}");
    }

    refused(list().organization_id(2).send().await, 404, "organization_not_found");
    for role in ["specialist", "staff", "patient"] {
        let person = app.person(&TelemetryPerson { role, ..patient(1, 7) });
        refused(person.security_event_list().send().await, 403, "permission_denied");
    }
    refused(app.service().security_event_list().send().await, 401, "unauthenticated");
    assert_eq!(granted(app.admin(2).security_event_list().send().await, 200).data.len(), 1);
    let all = granted(app.superadmin().security_event_list().send().await, 200).data;
    assert!(all.len() >= 4, "a superadmin sees all of them: {all:?}");
}

#[tokio::test]
async fn reading_security_events_is_in_the_trail() {
    let app = start().await;
    ingest(&app, (0..3).map(denied).collect()).await;
    let admin = app.admin(1);
    let noticed = granted(admin.security_event_list().send().await, 200).data;
    granted(admin.security_event_list().kind("nothing").send().await, 200);
    let trail = granted(admin.audit_log_list().entity_type("security_event").send().await, 200).data;
    let said: Vec<(&str, &str, Vec<String>)> = trail
        .iter()
        .map(|log| (log.action.as_str(), log.operation_id.as_deref().unwrap_or_default(), log.entity_ids.clone()))
        .collect();
    let found = vec![noticed[0].id.to_string()];
    assert_eq!(said, [("read", "security_event_list", Vec::new()), ("read", "security_event_list", found)]);
    assert_eq!(trail[0].actor_user_id, Some(900_001));
}

/// Returns the refused requests of Telemetry, oldest first, once there are as many as expected.
async fn refusals(app: &TelemetryApp, organization: i64, expected: usize) -> Vec<AuditLog> {
    let superadmin = app.superadmin();
    let (mut refusals, _) = until("refusals are recorded", PATIENCE, || async {
        let list = superadmin.audit_log_list().organization_id(organization).page_size(100);
        let mut logs = granted(list.send().await, 200).data;
        logs.retain(|log| log.outcome == AuditOutcome::Denied);
        Some(logs).filter(|logs| logs.len() >= expected)
    })
    .await;
    refusals.sort_by_key(|log| log.id);
    refusals
}

fn shown(log: &AuditLog) -> (&str, Option<i64>, Option<&str>) {
    (log.operation_id.as_deref().unwrap_or_default(), log.actor_user_id, log.error_code.as_deref())
}

#[tokio::test]
async fn what_telemetry_refuses_is_in_its_trail() {
    let mut app = start().await;
    let staff = app.person(&TelemetryPerson { role: "staff", ..patient(1, 7) });
    refused(staff.audit_log_list().send().await, 403, "permission_denied");
    refused(staff.analytics_summary_get().send().await, 403, "permission_denied");
    refused(app.admin(1).audit_log_list().organization_id(2).send().await, 404, "organization_not_found");
    // An entry that does not exist is not a denied one.
    refused(app.admin(1).audit_log_get().audit_id(Uuid::now_v7()).send().await, 404, "audit_log_not_found");
    let expected = [
        ("audit_log_list", Some(7), Some("permission_denied")),
        ("analytics_summary_get", Some(7), Some("permission_denied")),
        ("audit_log_list", Some(900_001), Some("organization_not_found")),
    ];
    let recorded = refusals(&app, 1, expected.len()).await;
    assert_eq!(recorded.iter().map(shown).collect::<Vec<_>>(), expected);
    assert!(recorded.iter().all(|log| log.ip.is_some() && log.request_id.is_some() && log.occurrences == 1));

    // These callers are not known.
    let wrong = app.client("a-service-token-of-somebody-else");
    refused(wrong.audit_ingest().body(batch(vec![event(1)])).send().await, 401, "unauthenticated");
    refused(wrong.audit_log_list().send().await, 401, "unauthenticated");
    Answer::to(app.request(Method::GET, "/v1/audit/logs")).await.refusal(401, "unauthenticated");
    // Requests that are not authenticated are counted for a minute, or until the service stops.
    app.server.stop().await;
    app.server.start().await;
    let recorded = refusals(&app, 0, 1).await;
    let shown: Vec<_> = recorded.iter().map(shown).collect();
    assert_eq!(shown, [("authentication_failed", None, Some("unauthenticated"))]);
    let log = &recorded[0];
    assert_eq!((log.actor_kind, log.occurrences), (ActorKind::Anonymous, 3));
    assert_eq!((log.ip.as_deref(), log.request_id.as_deref()), (Some("127.0.0.1"), None));

    // They are subject to the rules like Core's, and part of the chain.
    assert_eq!(said(&events(&app, 0).await), [("failed_authentication", "high", 3)]);
    let staff = app.person(&TelemetryPerson { role: "staff", ..patient(1, 7) });
    refused(staff.audit_verify().send().await, 403, "permission_denied");
    refusals(&app, 1, 4).await;
    assert_eq!(said(&events(&app, 1).await), [("denied_access", "medium", 3)]);
    app.sealed().await;
    let verification = verify(&app, 1).await;
    assert!(verification.intact, "{verification:?}");
}

#[tokio::test]
async fn what_is_queued_when_the_service_stops_is_stored() {
    let mut app = TelemetryApp::start().await;
    let staff = app.person(&TelemetryPerson { role: "staff", ..patient(1, 7) });
    for _ in 0..100 {
        refused(staff.audit_log_list().send().await, 403, "permission_denied");
    }
    app.server.stop().await;
    let sql = "select coalesce(sum(occurrences), 0)::bigint from audit.audit_logs where outcome = 'denied'";
    let stored: i64 =
        sqlx::query_scalar(sql).fetch_one(&mut app.database.owner().await).await.expect("the owner may count");
    assert_eq!(stored, 100);
}

#[tokio::test]
async fn what_no_rule_looks_back_to_is_swept() {
    let mut app = start().await;
    ingest(&app, (0..3).map(denied).collect()).await;
    assert_eq!(events(&app, 1).await.len(), 1);
    let mut owner = app.database.owner().await;
    sqlx::query("update security.sightings set stored_at = now() - interval '1 day'")
        .execute(&mut owner)
        .await
        .expect("the owner may write");
    app.server.stop().await;
    app.server.start().await;
    let gone = || async {
        let left: i64 = sqlx::query_scalar("select count(*) from security.sightings")
            .fetch_one(&mut app.database.owner().await)
            .await
            .expect("the owner may count");
        (left == 0).then_some(())
    };
    until("old sightings are gone", PATIENCE, gone).await;
    assert_eq!(events(&app, 1).await.len(), 1, "the event stays");
}
