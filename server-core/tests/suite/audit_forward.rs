//! Forwarding of audit rows to Telemetry: each arrives once and in order, whichever process is killed meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use restartix_sdk::core::types::SpecialtyInput;
use sqlx::PgConnection;
use test_support::{Actor, Clinic, CoreApp, granted, until};
use uuid::Uuid;

/// Id, entity type, entity id and request id of a row.
type Event = (Uuid, String, Option<String>, String);

async fn of_core(app: &CoreApp) -> Vec<Event> {
    let sql = "select id, entity_type, entity_id, request_id from audit_log order by id";
    sqlx::query_as(sql).fetch_all(&mut app.owner().await).await.unwrap()
}

/// Reads Telemetry's rows in the order of their arrival.
async fn of_telemetry(database: &mut PgConnection) -> Vec<Event> {
    let sql = "select id, entity_type, entity_id, request_id from audit.audit_logs order by received_at, id";
    sqlx::query_as(sql).fetch_all(database).await.unwrap()
}

/// Waits until the outbox is empty and Telemetry has as many rows as Core; returns Telemetry's rows.
async fn arrived(clinic: &Clinic) -> Vec<Event> {
    let what = "every audit row arrives";
    until(what, Duration::from_mins(1), || async {
        let waiting = clinic.core.count("select count(*) from audit_outbox").await;
        if waiting > 0 {
            return None;
        }
        Some(of_telemetry(&mut clinic.telemetry.database.owner().await).await)
    })
    .await
    .0
}

/// Asserts that Telemetry has each of Core's rows once, and the rows of each entity in order.
fn check(core: &[Event], telemetry: &[Event]) {
    let mut sorted = telemetry.to_vec();
    sorted.sort();
    assert_eq!(sorted, core, "each row is there exactly once");
    let mut entities: Vec<_> = core.iter().map(|(_, kind, id, _)| (kind, id)).collect();
    entities.sort();
    entities.dedup();
    for (kind, id) in entities {
        let of = |events: &[Event]| -> Vec<Uuid> {
            events.iter().filter(|event| (&event.1, &event.2) == (kind, id)).map(|event| event.0).collect()
        };
        assert_eq!(of(telemetry), of(core), "the rows of {kind} {id:?} came in another order than they were made");
    }
}

async fn rename(actor: &Actor, specialty: i64, name: String) -> String {
    let body = SpecialtyInput { name, description: None };
    let answer = actor.specialty_update().specialty_id(specialty).body(body).send().await.unwrap();
    answer.headers()["x-request-id"].to_str().unwrap().to_owned()
}

async fn specialties(actor: &Actor, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 0..count {
        let body = SpecialtyInput { name: format!("Specialty {number}"), description: None };
        ids.push(granted(actor.specialty_create().body(body).send().await, 201).id);
    }
    ids
}

#[tokio::test]
async fn telemetry_shows_what_core_did() {
    let clinic = Clinic::start().await;
    let app = &clinic.core;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id.to_string();
    let telemetry = clinic.telemetry_of(&admin).await;
    let (entry, took) = until("Telemetry shows the creation", CoreApp::PATIENCE, || async {
        let search = telemetry.audit_log_list().entity_type("patient").entity_id(&patient).send().await;
        granted(search, 200).data.into_iter().next()
    })
    .await;
    println!("the row was shown after {took:?}");
    assert_eq!((entry.action.as_str(), entry.organization_id), ("created", app.home().id));
    assert_eq!(entry.actor_user_id, Some(admin.person().user_id));
    assert_eq!(entry.operation_id.as_deref(), Some("patient_create"));
    // The other clinic's admin sees nothing of it.
    let theirs = clinic.telemetry_of(&app.other_admin()).await;
    let seen = granted(theirs.audit_log_list().send().await, 200).data;
    assert!(seen.iter().all(|entry| entry.organization_id == app.away().id), "{seen:?}");
}

#[tokio::test]
async fn fifty_mutations_survive_a_stopped_telemetry_and_a_killed_core() {
    let mut clinic = Clinic::start().await;
    let admin = clinic.core.admin();
    let specialties = specialties(&admin, 5).await;
    arrived(&clinic).await;

    clinic.telemetry.server.stop().await;
    let mut requests = Vec::new();
    for number in 0..50 {
        requests.push(rename(&admin, specialties[number % 5], format!("Name {number}")).await);
    }
    assert_eq!(clinic.core.count("select count(*) from audit_outbox").await, 50);
    clinic.core.server.kill();
    clinic.core.server.start().await;
    assert_eq!(clinic.core.count("select count(*) from audit_outbox").await, 50, "nothing is lost, nothing is gone");
    clinic.telemetry.server.start().await;

    let telemetry = arrived(&clinic).await;
    let core = of_core(&clinic.core).await;
    check(&core, &telemetry);
    let of_requests: Vec<&String> =
        core.iter().map(|event| &event.3).filter(|request| requests.contains(request)).collect();
    assert_eq!(of_requests, requests.iter().collect::<Vec<_>>(), "all 50, once, in the order they were asked for");
}

#[tokio::test]
async fn a_telemetry_killed_meanwhile_misses_and_doubles_nothing() {
    const MUTATIONS: usize = 200;
    let mut clinic = Clinic::start().await;
    let admin = clinic.core.admin();
    let specialties = specialties(&admin, 4).await;
    let app = &clinic.core;
    let work = async {
        // Changes four entities concurrently, each one's changes in order.
        join_all(specialties.iter().map(async |id| {
            for number in 0..MUTATIONS / 4 {
                rename(&admin, *id, format!("{id} {number}")).await;
            }
        }))
        .await;
    };
    let server = &mut clinic.telemetry.server;
    let killing = async {
        for enough in [20, 80, 140] {
            until("some mutations are done", CoreApp::PATIENCE, || async {
                (app.count("select count(*) from audit_log").await > enough).then_some(())
            })
            .await;
            server.kill();
            server.start().await;
        }
    };
    tokio::join!(work, killing);
    let telemetry = arrived(&clinic).await;
    let core = of_core(&clinic.core).await;
    assert_eq!(core.len(), MUTATIONS + 4);
    check(&core, &telemetry);
}

#[tokio::test]
async fn two_cores_forward_each_row_once() {
    let clinic = Clinic::start().await;
    let admin = clinic.core.admin();
    let second = clinic.core.second_core().await;
    let there = admin.at(&second.url());
    let specialties = specialties(&admin, 2).await;
    let of = |actor: Actor, id: i64| async move {
        for number in 0..30 {
            rename(&actor, id, format!("{id} {number}")).await;
        }
    };
    tokio::join!(of(admin.clone(), specialties[0]), of(there, specialties[1]));
    let telemetry = arrived(&clinic).await;
    let core = of_core(&clinic.core).await;
    assert_eq!(core.len(), 62);
    let mut sorted = telemetry;
    sorted.sort();
    assert_eq!(sorted, core, "each row is there exactly once");
}
