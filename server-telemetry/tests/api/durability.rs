//! Events that were answered as stored are stored, whatever process dies.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use restartix_sdk::{Error, telemetry::Client};
use test_support::{TelemetryApp, Throwaway, eventually, granted, refused, until};
use tokio::{sync::Barrier, task::JoinSet};
use uuid::Uuid;

use crate::support::{batch, consenting, event};

const INSERTS: &str = "select sum(value) from system.events where event = 'InsertQuery'";

#[tokio::test]
async fn two_hundred_requests_at_once_make_few_inserts() {
    let clickhouse = Throwaway::clickhouse().await;
    let app = TelemetryApp::builder().clickhouse(clickhouse.url()).start().await;
    let person = consenting(&app, 1, 7).await;
    granted(person.analytics_track().body(batch(vec![event("warm")])).send().await, 202);
    let before = app.clickhouse.count(INSERTS).await;
    let (barrier, mut requests) = (Arc::new(Barrier::new(200)), JoinSet::new());
    for _ in 0..200 {
        let (person, barrier) = (person.clone(), Arc::clone(&barrier));
        requests.spawn(async move {
            barrier.wait().await;
            granted(person.analytics_track().body(batch(vec![event("burst")])).send().await, 202).stored
        });
    }
    assert_eq!(requests.join_all().await.iter().sum::<i64>(), 200);
    let made = app.clickhouse.count(INSERTS).await - before;
    assert!(made <= 20, "200 requests made {made} INSERTs");
    assert_eq!(app.clickhouse.count("select count() from analytics_events final where name = 'burst'").await, 200);
}

/// People who track one event after the other until they are stopped.
struct Load {
    acknowledged: Arc<Mutex<BTreeSet<Uuid>>>,
    refused: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    people: JoinSet<()>,
}

impl Load {
    fn start(person: &Client, people: usize) -> Self {
        let mut load = Self {
            acknowledged: Arc::default(),
            refused: Arc::default(),
            stop: Arc::default(),
            people: JoinSet::new(),
        };
        for _ in 0..people {
            let (person, acknowledged) = (person.clone(), Arc::clone(&load.acknowledged));
            let (refused, stop) = (Arc::clone(&load.refused), Arc::clone(&load.stop));
            load.people.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let event = event("load");
                    let id = event.event_id;
                    match person.analytics_track().body(batch(vec![event])).send().await {
                        Ok(receipt) => {
                            assert_eq!((receipt.status().as_u16(), receipt.stored), (202, 1));
                            acknowledged.lock().expect("nobody panicked").insert(id);
                        }
                        Err(Error::ErrorResponse(answer)) => {
                            assert_eq!(answer.status().as_u16(), 503, "{answer:?}");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        // The service itself was killed.
                        Err(Error::CommunicationError(_)) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
        load
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("nobody panicked").len()
    }

    /// Waits until `more` additional events are acknowledged.
    async fn goes_on(&self, more: usize) {
        let goal = self.acknowledged() + more;
        let enough = || async { self.acknowledged() >= goal };
        eventually(format!("{more} more events are stored"), Duration::from_mins(1), enough).await;
    }

    async fn end(self) -> BTreeSet<Uuid> {
        self.stop.store(true, Ordering::Relaxed);
        self.people.join_all().await;
        std::mem::take(&mut *self.acknowledged.lock().expect("nobody panicked"))
    }
}

async fn stored(app: &TelemetryApp) -> BTreeSet<Uuid> {
    let ids = app.clickhouse.query("select event_id from analytics_events final where name = 'load' format TSV").await;
    ids.lines().map(|id| id.parse().expect("ids are UUIDs")).collect()
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_death_of_clickhouse() {
    let mut clickhouse = Throwaway::clickhouse().await;
    let app = TelemetryApp::builder().clickhouse(clickhouse.url()).start().await;
    let person = consenting(&app, 1, 7).await;
    let load = Load::start(&person, 20);
    for _ in 0..2 {
        load.goes_on(300).await;
        let refused = load.refused.load(Ordering::Relaxed);
        clickhouse.kill();
        let noticed = || async { load.refused.load(Ordering::Relaxed) > refused };
        eventually("requests are refused while ClickHouse is down", Duration::from_secs(30), noticed).await;
        clickhouse.start().await;
    }
    load.goes_on(300).await;
    let acknowledged = load.end().await;
    let stored = stored(&app).await;
    let missing: Vec<&Uuid> = acknowledged.difference(&stored).collect();
    assert!(missing.is_empty(), "{} of {} acknowledged events are gone", missing.len(), acknowledged.len());
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_death_of_the_service() {
    let mut app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let load = Load::start(&person, 20);
    load.goes_on(300).await;
    app.server.kill();
    app.server.start().await;
    load.goes_on(300).await;
    let acknowledged = load.end().await;
    assert!(acknowledged.is_subset(&stored(&app).await), "an acknowledged event is gone");
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun() {
    let mut app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let load = Load::start(&person, 20);
    load.goes_on(200).await;
    app.server.stop().await;
    let acknowledged = load.end().await;
    assert!(acknowledged.is_subset(&stored(&app).await), "an acknowledged event is gone");
}

#[tokio::test]
async fn the_service_starts_and_serves_while_clickhouse_is_down() {
    let mut clickhouse = Throwaway::clickhouse().await;
    let mut app = TelemetryApp::builder().clickhouse(clickhouse.url()).start().await;
    app.server.stop().await;
    clickhouse.kill();
    app.server.spawn().await;
    let person = consenting(&app, 1, 7).await;
    let refusal =
        refused(person.analytics_track().body(batch(vec![event("seen")])).send().await, 503, "storage_unavailable");
    assert!(refusal.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{refusal:?}");
    refused(app.admin(1).analytics_summary_get().send().await, 503, "storage_unavailable");
    refused(person.ready_get().send().await, 503, "not_ready");
    granted(person.health_get().send().await, 200);
    // Audit needs PostgreSQL only.
    granted(app.service().audit_ingest().body(crate::audit::batch(vec![crate::audit::event(1)])).send().await, 202);
    clickhouse.start().await;
    let (stored, _) = until("events are stored again", Duration::from_secs(10), || async {
        person.analytics_track().body(batch(vec![event("seen")])).send().await.ok()
    })
    .await;
    assert_eq!(stored.stored, 1);
}
