//! Plans of evaluations of segments: whatever statistics say, they read by indexes and compare no rows of two tables.

use restartix_sdk::core::types::PreviewSegment;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use test_support::{CoreApp, Kind, Statement, granted};

use crate::{
    form_submit::body,
    plan::{plan, prepare},
    segment::{create, evaluate},
    segment_scale::{named, rule},
};

/// Kinds of nodes that take too long if statistics are wrong.
const UNBOUNDED: [&str; 4] = ["Seq Scan", "Nested Loop", "Hash Join", "Merge Join"];

/// Returns the statement with these parts that a role has sent since the proxy began to listen.
fn sent(app: &CoreApp, role: &str, parts: [&str; 2]) -> Statement {
    let trips = app.proxy().said().0.into_iter().filter(|trip| trip.user == role);
    let mut statements = trips.flat_map(|trip| trip.statements);
    statements.find(|statement| parts.iter().all(|part| statement.sql.contains(part))).expect("the statement was sent")
}

/// Returns the plans of a statement under the settings of an evaluation: with the statistics that there are, and as if
/// every table were empty.
async fn plans(app: &CoreApp, mut database: PgConnection, statement: &Statement) -> [Value; 2] {
    let settings = "set enable_seqscan = off; set enable_bitmapscan = off; set work_mem = '64MB'; set jit = off";
    database.execute(settings).await.unwrap();
    let literals = prepare(&mut database, "known", statement).await;
    let known = plan(&mut database, "force_generic_plan", &format!("known({literals})")).await;
    let forget = "select pg_clear_relation_stats(n.nspname::text, c.relname::text)
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = 'public' and c.relkind = 'r'";
    app.owner().await.execute(forget).await.unwrap();
    let literals = prepare(&mut database, "forgotten", statement).await;
    [known, plan(&mut database, "force_generic_plan", &format!("forgotten({literals})")).await]
}

/// Returns the nodes of a plan, each before those below it.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(plan).chain(below).collect()
}

/// Fails if a plan has a node that takes too long if statistics are wrong.
fn bounded(plan: &Value) {
    let kinds: Vec<&str> = nodes(plan).into_iter().filter_map(|node| node["Node Type"].as_str()).collect();
    assert!(!kinds.iter().any(|kind| UNBOUNDED.contains(kind)), "{kinds:?}\n{plan:#}");
}

#[tokio::test]
async fn a_preview_joins_nothing_and_reads_by_indexes_whatever_statistics_say() {
    let app = CoreApp::builder().proxied().start().await;
    let admin = app.admin();
    let (weight, smokes, form, segment) = named(&app).await;
    let preview: PreviewSegment = body(json!({ "rule": rule(weight, smokes, form, segment) }));
    app.proxy().listen();
    granted(admin.segment_preview().body(preview).send().await, 200);
    let judging = sent(&app, Kind::Core.app(), ["judged", "form_answers"]);
    for shown in plans(&app, app.database.app().await, &judging).await {
        bounded(&shown);
    }
}

#[tokio::test]
async fn an_evaluation_compares_members_by_a_hash_table_and_reads_by_indexes_whatever_statistics_say() {
    let app = CoreApp::builder().proxied().start().await;
    let admin = app.admin();
    let (weight, smokes, form, segment) = named(&app).await;
    let id = create(&admin, rule(weight, smokes, form, segment)).await.id;
    app.proxy().listen();
    evaluate(&admin, id).await;
    let swapping = sent(&app, Kind::Core.owner(), ["segment_history", "form_answers"]);
    for shown in plans(&app, app.owner().await, &swapping).await {
        bounded(&shown);
        let gone = nodes(&shown).into_iter().find(|node| node["Operation"] == "Delete").expect("who leaves is deleted");
        let filters: Vec<&str> = nodes(gone).into_iter().filter_map(|node| node["Filter"].as_str()).collect();
        assert!(filters.iter().any(|filter| filter.contains("hashed SubPlan")), "{filters:?}\n{gone:#}");
        // Those who come are the difference of two sets.
        let kinds: Vec<&str> = nodes(&shown).into_iter().filter_map(|node| node["Node Type"].as_str()).collect();
        assert!(kinds.contains(&"SetOp"), "{kinds:?}\n{shown:#}");
    }
}
