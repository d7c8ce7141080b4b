//! `/v1/audit`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeDelta, Utc};
use restartix_sdk::telemetry::types::{
    ActorKind, AuditBatch, AuditOutcome, AuditReceipt, AuditResultKind, NewAuditEvent,
};
use sqlx::PgConnection;
use test_support::{TelemetryApp, granted, refused};
use uuid::{Uuid, uuid};

use crate::support::millis;

/// Returns an event of an organization that occurred now.
pub(crate) fn event(organization: i64) -> NewAuditEvent {
    NewAuditEvent {
        id: Uuid::now_v7(),
        occurred_at: millis(Utc::now()),
        organization_id: organization,
        actor_user_id: Some(42),
        actor_kind: ActorKind::User,
        actor_api_key_id: None,
        impersonator_user_id: None,
        action: "updated".to_owned(),
        entity_type: "appointment".to_owned(),
        entity_id: Some("7".to_owned()),
        entity_ids: Vec::new(),
        changed_fields: vec!["started_at".to_owned(), "ended_at".to_owned()],
        request_id: None,
        outcome: AuditOutcome::Succeeded,
        operation_id: Some("appointment_update".to_owned()),
        error_code: None,
        occurrences: None,
        ip: None,
        user_agent: None,
        client_request_id: None,
    }
}

pub(crate) fn batch(events: Vec<NewAuditEvent>) -> AuditBatch {
    AuditBatch { events }
}

pub(crate) async fn ingest(app: &TelemetryApp, events: Vec<NewAuditEvent>) -> AuditReceipt {
    granted(app.service().audit_ingest().body(batch(events)).send().await, 202)
}

fn kinds(receipt: &AuditReceipt) -> Vec<AuditResultKind> {
    receipt.results.iter().map(|result| result.result).collect()
}

async fn count(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from audit.audit_logs")
        .fetch_one(connection)
        .await
        .expect("the owner may count")
}

#[tokio::test]
async fn an_event_is_stored_once_however_often_it_comes() {
    use AuditResultKind::{Accepted, Duplicate};
    let app = TelemetryApp::start().await;
    let events: Vec<NewAuditEvent> = (0..3).map(|_| event(1)).collect();
    let twice = vec![events[0].clone(), events[1].clone(), events[0].clone()];
    assert_eq!(kinds(&ingest(&app, twice).await), [Accepted, Accepted, Duplicate]);
    // An event with a stored id and other contents does not change the stored one.
    let altered = NewAuditEvent { action: "deleted".to_owned(), ..events[1].clone() };
    assert_eq!(kinds(&ingest(&app, vec![altered, events[2].clone()]).await), [Duplicate, Accepted]);
    assert_eq!(count(&mut app.database.owner().await).await, 3);
    let stored = granted(app.admin(1).audit_log_get().audit_id(events[1].id).send().await, 200);
    assert_eq!(stored.action, "updated");
}

#[tokio::test]
async fn racing_batches_store_each_event_once() {
    let app = TelemetryApp::start().await;
    let events: Vec<NewAuditEvent> = (0..200).map(|_| event(1)).collect();
    let sends = (0..8).map(|turn| {
        let (service, mut events) = (app.service(), events.clone());
        events.rotate_left(turn * 25);
        tokio::spawn(async move { granted(service.audit_ingest().body(batch(events)).send().await, 202) })
    });
    let mut accepted: BTreeMap<Uuid, u32> = BTreeMap::new();
    for send in sends.collect::<Vec<_>>() {
        for result in send.await.expect("the task ends").results {
            *accepted.entry(result.id).or_default() += u32::from(result.result == AuditResultKind::Accepted);
        }
    }
    assert_eq!(accepted.len(), 200);
    assert!(accepted.values().all(|times| *times == 1), "an event was accepted twice, or by nobody");
    assert_eq!(count(&mut app.database.owner().await).await, 200);
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_does_not_block_its_batch() {
    use AuditResultKind::{Accepted, Rejected};
    let app = TelemetryApp::start().await;
    let random = NewAuditEvent { id: Uuid::new_v4(), ..event(1) };
    let elsewhen = NewAuditEvent { occurred_at: Utc::now() - TimeDelta::days(3), ..event(1) };
    let receipt = ingest(&app, vec![event(1), random, elsewhen, event(1)]).await;
    assert_eq!(kinds(&receipt), [Accepted, Rejected, Rejected, Accepted]);
    assert!(receipt.results[1].reason.as_deref().is_some_and(|reason| reason.contains("UUIDv7")));
    assert_eq!(count(&mut app.database.owner().await).await, 2);
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent() {
    let app = TelemetryApp::start().await;
    let sent = NewAuditEvent {
        impersonator_user_id: Some(9),
        request_id: Some("request-12345".to_owned()),
        client_request_id: Some(uuid!("5f0c7d3e-4a0b-4c6f-9a55-0d2b6d1f3c11")),
        outcome: AuditOutcome::Denied,
        error_code: Some("permission_denied".to_owned()),
        occurrences: Some(250),
        ip: Some("2001:db8::7".to_owned()),
        user_agent: Some("ß".repeat(2_000)),
        ..event(1)
    };
    let nobody =
        NewAuditEvent { actor_user_id: None, actor_kind: ActorKind::System, ip: Some("1.2.3".to_owned()), ..event(1) };
    ingest(&app, vec![sent.clone(), nobody.clone()]).await;
    let stored = granted(app.admin(1).audit_log_get().audit_id(sent.id).send().await, 200);
    assert_eq!((stored.occurred_at, stored.organization_id), (sent.occurred_at, 1));
    assert_eq!((stored.actor_user_id, stored.impersonator_user_id), (Some(42), Some(9)));
    assert_eq!(stored.changed_fields, ["started_at", "ended_at"]);
    assert_eq!((stored.outcome, stored.request_id.as_deref()), (AuditOutcome::Denied, Some("request-12345")));
    assert_eq!((stored.error_code.as_deref(), stored.occurrences), (Some("permission_denied"), 250));
    assert_eq!(stored.ip.as_deref(), Some("2001:db8::7"));
    assert_eq!(stored.client_request_id, sent.client_request_id);
    assert_eq!(stored.user_agent, Some("ß".repeat(1_024)), "the start of a long user agent is kept");
    assert!(stored.received_at >= stored.occurred_at);
    let stored = granted(app.admin(1).audit_log_get().audit_id(nobody.id).send().await, 200);
    assert_eq!((stored.actor_kind, stored.actor_user_id, stored.ip), (ActorKind::System, None, None));
    assert_eq!((stored.error_code, stored.occurrences), (None, 1));
}

#[tokio::test]
async fn no_user_agent_costs_the_trail_an_event() {
    let app = TelemetryApp::start().await;
    for agent in ["", " Agent  of\u{202e}chaos ", "\u{200b}", "\u{feff}\u{85}", "jose\u{301}"] {
        let sent = NewAuditEvent { user_agent: Some(agent.to_owned()), ..event(1) };
        let receipt = ingest(&app, vec![sent.clone()]).await;
        assert_eq!(receipt.results[0].result, AuditResultKind::Accepted, "{agent:?}");
        let stored = granted(app.admin(1).audit_log_get().audit_id(sent.id).send().await, 200);
        assert_eq!(stored.user_agent.as_deref(), Some(agent), "kept as it was sent");
    }
}

#[tokio::test]
async fn the_trail_is_read_newest_first_and_page_by_page() {
    let app = TelemetryApp::start().await;
    let events: Vec<NewAuditEvent> = (0..7).map(|_| event(1)).collect();
    ingest(&app, events.clone()).await;
    let admin = app.admin(1);
    let mut read = Vec::new();
    let mut cursor = None;
    loop {
        let list = admin.audit_log_list().page_size(3);
        let list = if let Some(cursor) = cursor { list.cursor(cursor) } else { list };
        let page = granted(list.send().await, 200);
        read.extend(page.data.iter().map(|log| log.id));
        // Entries that arrive meanwhile do not shift the pages that follow.
        ingest(&app, vec![event(1)]).await;
        let Some(next) = page.meta.next_cursor else { break };
        assert_eq!(page.data.len(), 3);
        cursor = Some(next.parse::<Uuid>().expect("cursors are ids"));
    }
    let mut expected: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    expected.reverse();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn filters_narrow_the_trail() {
    let app = TelemetryApp::start().await;
    let now = millis(Utc::now());
    let base = event(1);
    let read = NewAuditEvent { id: Uuid::now_v7(), action: "read".to_owned(), ..base.clone() };
    let other_actor = NewAuditEvent { id: Uuid::now_v7(), actor_user_id: Some(43), ..base.clone() };
    let patient = NewAuditEvent { id: Uuid::now_v7(), entity_type: "patient".to_owned(), ..base.clone() };
    let other_entity = NewAuditEvent { id: Uuid::now_v7(), entity_id: Some("8".to_owned()), ..base.clone() };
    let request = NewAuditEvent { id: Uuid::now_v7(), request_id: Some("request-1".to_owned()), ..base.clone() };
    let named = Uuid::new_v4();
    let client = NewAuditEvent { id: Uuid::now_v7(), client_request_id: Some(named), ..base.clone() };
    let earlier = NewAuditEvent { id: Uuid::now_v7(), occurred_at: now - TimeDelta::hours(2), ..base.clone() };
    let all = [&base, &read, &other_actor, &patient, &other_entity, &request, &client, &earlier];
    ingest(&app, all.iter().map(|event| (*event).clone()).collect()).await;
    let admin = app.admin(1);
    let list = || admin.audit_log_list();
    for (what, query, expected) in [
        ("action", list().action("read"), vec![&read]),
        ("actor", list().actor_user_id(43), vec![&other_actor]),
        ("entity type", list().entity_type("patient"), vec![&patient]),
        ("entity", list().entity_type("appointment").entity_id("8"), vec![&other_entity]),
        ("request", list().request_id("request-1"), vec![&request]),
        ("the caller's request", list().client_request_id(named), vec![&client]),
        ("to", list().to(now - TimeDelta::hours(1)), vec![&earlier]),
        ("from and to", list().from(now - TimeDelta::hours(3)).to(now - TimeDelta::hours(1)), vec![&earlier]),
        ("from", list().from(now - TimeDelta::hours(1)), all[..7].to_vec()),
        ("none", list().from(now + TimeDelta::hours(1)), vec![]),
    ] {
        let found = granted(query.send().await, 200).data;
        // These searches add entries of their own.
        let found: BTreeSet<Uuid> =
            found.iter().filter(|log| log.entity_type != "audit_log").map(|log| log.id).collect();
        assert_eq!(found, expected.iter().map(|event| event.id).collect(), "filter by {what}");
    }
}

#[tokio::test]
async fn each_organization_sees_its_own_trail() {
    let app = TelemetryApp::start().await;
    let (ours, theirs, nobodys) = (event(1), event(2), event(0));
    ingest(&app, vec![ours.clone(), theirs.clone(), nobodys.clone()]).await;
    let admin = app.admin(1);
    let seen: Vec<Uuid> = granted(admin.audit_log_list().send().await, 200).data.iter().map(|log| log.id).collect();
    assert_eq!(seen, [ours.id]);
    granted(admin.audit_log_list().organization_id(1).send().await, 200);
    refused(admin.audit_log_list().organization_id(2).send().await, 404, "organization_not_found");
    for foreign in [theirs.id, nobodys.id] {
        refused(admin.audit_log_get().audit_id(foreign).send().await, 404, "audit_log_not_found");
    }
    let superadmin = app.superadmin();
    let all = granted(superadmin.audit_log_list().entity_type("appointment").send().await, 200).data;
    assert_eq!(all.len(), 3);
    let named = granted(superadmin.audit_log_list().organization_id(0).action("updated").send().await, 200);
    assert_eq!(named.data.iter().map(|log| log.id).collect::<Vec<_>>(), [nobodys.id]);
    granted(superadmin.audit_log_get().audit_id(theirs.id).send().await, 200);
}

/// Entries about readings of the trail: operation, outcome, entity id, entity ids.
async fn readings(app: &TelemetryApp, organization: i64) -> Vec<(String, String, Option<String>, Vec<String>)> {
    let sql = "select operation_id, outcome, entity_id, entity_ids from audit.audit_logs
               where organization_id = $1 and action = 'read' and entity_type = 'audit_log' order by id";
    let mut owner = app.database.owner().await;
    sqlx::query_as(sql).bind(organization).fetch_all(&mut owner).await.expect("the owner may read")
}

#[tokio::test]
async fn reading_the_trail_is_in_the_trail() {
    let app = TelemetryApp::start().await;
    let (first, second, theirs) = (event(1), event(1), event(2));
    ingest(&app, vec![first.clone(), second.clone(), theirs.clone()]).await;
    let admin = app.admin(1);
    granted(admin.audit_log_list().send().await, 200);
    granted(admin.audit_log_list().action("nothing").send().await, 200);
    granted(admin.audit_log_get().audit_id(first.id).send().await, 200);
    refused(admin.audit_log_get().audit_id(theirs.id).send().await, 404, "audit_log_not_found");
    granted(admin.audit_verify().send().await, 200);
    granted(admin.audit_head_list().send().await, 200);
    // A refused request reads nothing.
    refused(admin.audit_log_list().organization_id(2).send().await, 404, "organization_not_found");
    let done = |operation: &str, id: Option<Uuid>, ids: &[Uuid]| {
        let ids = ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        (operation.to_owned(), "succeeded".to_owned(), id.map(|id| id.to_string()), ids)
    };
    let mut expected = vec![
        done("audit_log_list", None, &[second.id, first.id]),
        done("audit_log_list", None, &[]),
        done("audit_log_get", Some(first.id), &[]),
        done("audit_log_get", Some(theirs.id), &[]),
        done("audit_verify", None, &[]),
        done("audit_head_list", None, &[]),
    ];
    expected[3].1 = "failed".to_owned();
    assert_eq!(readings(&app, 1).await, expected);

    // A superadmin's reading is in the trail of the organization that was read, or in the one of no organization.
    let superadmin = app.superadmin();
    granted(superadmin.audit_log_get().audit_id(theirs.id).send().await, 200);
    granted(superadmin.audit_log_list().organization_id(2).page_size(1).send().await, 200);
    granted(superadmin.audit_log_list().page_size(1).send().await, 200);
    assert_eq!(readings(&app, 2).await.len(), 2);
    assert_eq!(readings(&app, 0).await.len(), 1);
    let left = granted(superadmin.audit_log_list().organization_id(0).send().await, 200).data;
    assert_eq!((left[0].actor_user_id, left[0].entity_ids.len()), (Some(900_000), 1));
    assert!(left[0].request_id.is_some() && left[0].ip.is_some(), "{:?}", left[0]);
}

#[tokio::test]
async fn every_kind_of_actor_has_a_place() {
    let app = TelemetryApp::start().await;
    let key = NewAuditEvent {
        actor_user_id: None,
        actor_kind: ActorKind::ApiKey,
        actor_api_key_id: Some(12),
        entity_ids: vec!["7".to_owned(), "8".to_owned()],
        ..event(1)
    };
    let nobody = NewAuditEvent {
        actor_user_id: None,
        actor_kind: ActorKind::Anonymous,
        outcome: AuditOutcome::Failed,
        ..event(1)
    };
    ingest(&app, vec![key.clone(), nobody.clone()]).await;
    let admin = app.admin(1);
    let stored = granted(admin.audit_log_get().audit_id(key.id).send().await, 200);
    assert_eq!((stored.actor_kind, stored.actor_api_key_id), (ActorKind::ApiKey, Some(12)));
    assert_eq!(stored.entity_ids, ["7", "8"]);
    let stored = granted(admin.audit_log_get().audit_id(nobody.id).send().await, 200);
    assert_eq!((stored.actor_kind, stored.actor_user_id), (ActorKind::Anonymous, None));
}
