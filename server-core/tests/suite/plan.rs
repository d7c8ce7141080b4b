//! Reads of one statement set the context in the statement that reads. The statements of each operation that reads are
//! recorded as Core sends them. The plan of each must enter the context first, read nothing without a context, and find
//! its rows by an index.

use std::collections::BTreeMap;

use reqwest::Method;
use restartix_sdk::core::types::{SpecialistInput, SpecialtyInput};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Column, Executor, PgConnection, Row, postgres::PgRow};
use test_support::{Answer, CoreApp, Fixture, Kind, Operation, Statement, granted, in_days};

use crate::{
    form_template::published,
    matrix::{Asker, Surroundings, World, granted_to},
};

const ENTER: &str = "context_enter($1, $2, $3, $4, $5) as ctx";
/// Replacement of `context_enter` that takes the same parameters and sets nothing.
const PRETEND: &str =
    "(select num_nulls($1::bigint, $2::bigint, $3::text, $4::bigint, $5::bigint) >= 0 as ctx) as pretended";

/// Returns the callers' statements since the proxy began to listen that enter the context themselves; the service's own
/// reads run as the owner.
fn reads(app: &CoreApp) -> Vec<Statement> {
    let trips = app.proxy().said().0.into_iter().filter(|trip| trip.user == Kind::Core.app());
    trips.flat_map(|trip| trip.statements).filter(|statement| statement.sql.contains(ENTER)).collect()
}

/// Formats a value of the wire protocol as a literal.
fn literal(kind: &str, value: Option<&Vec<u8>>) -> String {
    let Some(bytes) = value else { return "null".to_owned() };
    match kind {
        // Core sends numbers of 64 bits for columns of 32, too.
        "bigint" | "integer" => match bytes.len() {
            4 => i32::from_be_bytes(bytes.as_slice().try_into().unwrap()).to_string(),
            _ => i64::from_be_bytes(bytes.as_slice().try_into().unwrap()).to_string(),
        },
        "boolean" => (bytes[0] == 1).to_string(),
        "text" => format!("'{}'", String::from_utf8(bytes.clone()).unwrap().replace('\'', "''")),
        "uuid" => format!("'{}'", uuid::Uuid::from_slice(bytes).unwrap()),
        "timestamp with time zone" => {
            let micros = i64::from_be_bytes(bytes.as_slice().try_into().unwrap());
            format!("timestamptz '2000-01-01 00:00:00Z' + {micros} * interval '1 microsecond'")
        }
        "bigint[]" => {
            let ids = elements(bytes).map(|id| i64::from_be_bytes(id.try_into().unwrap()).to_string());
            format!("'{{{}}}'::bigint[]", ids.collect::<Vec<_>>().join(","))
        }
        "integer[]" => {
            let numbers = elements(bytes).map(|number| i32::from_be_bytes(number.try_into().unwrap()).to_string());
            format!("'{{{}}}'::integer[]", numbers.collect::<Vec<_>>().join(","))
        }
        "text[]" => {
            let texts = elements(bytes).map(|text| String::from_utf8(text.to_vec()).unwrap());
            format!("'{{{}}}'::text[]", texts.collect::<Vec<_>>().join(","))
        }
        other => panic!("a parameter of type {other}: teach this test to write it"),
    }
}

/// Returns the elements of a one-dimensional array without nulls: a head of twenty bytes, then each element after its
/// length.
fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.get(20..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (element, after) = after.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        rest = after;
        Some(element)
    })
}

/// Prepares a statement under a name; returns the literals of its parameters.
pub(crate) async fn prepare(database: &mut PgConnection, name: &str, statement: &Statement) -> String {
    database.execute(AssertSqlSafe(format!("prepare {name} as {}", statement.sql))).await.unwrap();
    let kinds: Vec<String> =
        sqlx::query_scalar("select unnest(parameter_types)::text from pg_prepared_statements where name = $1")
            .bind(name)
            .fetch_all(database)
            .await
            .unwrap();
    assert_eq!(kinds.len(), statement.values.len(), "{}", statement.sql);
    let literals: Vec<String> =
        kinds.iter().zip(&statement.values).map(|(kind, value)| literal(kind, value.as_ref())).collect();
    literals.join(", ")
}

/// Returns the number of rows that the statement reads; the value of a count is taken as so many rows.
async fn rows(database: &mut PgConnection, execute: &str) -> i64 {
    let rows = database.fetch_all(AssertSqlSafe(execute.to_owned())).await.unwrap();
    let has = |row: &PgRow, name: &str| row.columns().iter().any(|column| column.name() == name);
    match rows.first() {
        // Each row of a list has the total, as has the single row without an entry.
        Some(row) if has(row, "total") => {
            let entries = rows.iter().filter(|row| row.get::<Option<i64>, _>("id").is_some()).count();
            row.get::<i64, _>("total") + i64::try_from(entries).unwrap()
        }
        // A count returns one row with this column.
        Some(row) if row.columns().iter().map(Column::name).eq(["total!"]) => row.get(0),
        _ => i64::try_from(rows.len()).unwrap(),
    }
}

/// Counts the joins of a plan whose outer side is the function that enters the context.
fn entered_first(plan: &Value) -> usize {
    let children = plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let outer = children.iter().find(|child| child["Parent Relationship"] == "Outer");
    let enters = outer.is_some_and(|outer| outer["Function Name"] == "context_enter");
    let here = usize::from(plan["Node Type"] == "Nested Loop" && enters);
    here + children.iter().map(entered_first).sum::<usize>()
}

/// Counts the scans of the function in the plan.
fn scans(plan: &Value) -> usize {
    let children = plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    usize::from(plan["Function Name"] == "context_enter") + children.iter().map(scans).sum::<usize>()
}

/// Collects the nodes of a plan that read a table without an index condition, so that their cost grows with the table.
fn unbounded(plan: &Value, found: &mut Vec<String>) {
    let node = plan["Node Type"].as_str().unwrap_or_default();
    let searched = match node {
        "Seq Scan" => false,
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => !plan["Index Cond"].is_null(),
        _ => true,
    };
    if !searched {
        let name = plan["Relation Name"].as_str().or(plan["Index Name"].as_str()).unwrap_or_default();
        found.push(format!("{node} of {name}"));
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| unbounded(child, found));
}

/// Ids for the parameters of lists.
pub(crate) struct Named {
    specialist: i64,
    patient: i64,
    template: i64,
    specialty: i64,
    appointment: i64,
    form_template: i64,
}

impl Named {
    pub(crate) async fn of(world: &World) -> Self {
        let (app, admin) = (&world.app, world.app.admin());
        let template = CoreApp::new_appointment_template("Talk");
        let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
        let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
        let knees = SpecialistInput { specialty_ids: vec![specialty], ..CoreApp::new_specialist("Dr. Knee") };
        granted(admin.specialist_create().body(knees).send().await, 201);
        Self {
            specialist: app.home().specialist_id,
            patient: world.patient.id,
            template: app.appointment_template_create(&admin, template).await.id,
            specialty,
            appointment: world.appointment.id,
            form_template: published(&admin).await.id,
        }
    }
}

/// Builds the requests for a read: the one of the fixture, one with a page of one entry, which is full and therefore
/// counted, and one with each optional parameter alone and with all of them.
pub(crate) fn requests(named: &Named, operation: &Operation, fixture: &Fixture) -> Vec<Fixture> {
    let value = |name: &str, schema: &Value| match (name, schema["type"].as_str()) {
        ("page", _) => vec!["2".to_owned()],
        ("page_size" | "form_template_version", _) => vec!["1".to_owned()],
        ("specialist_id", _) => vec![named.specialist.to_string()],
        ("patient_id", _) => vec![named.patient.to_string()],
        ("template_id", _) => vec![named.template.to_string()],
        ("specialty_id", _) => vec![named.specialty.to_string()],
        ("appointment_id", _) => vec![named.appointment.to_string()],
        ("form_template_id", _) => vec![named.form_template.to_string()],
        ("language", _) => vec!["en".to_owned()],
        ("timezone", _) => vec!["Europe/Berlin".to_owned()],
        ("search", _) => vec!["Nobody".to_owned()],
        ("email", _) => vec!["nobody@example.org".to_owned()],
        ("phone", _) => vec!["+49301234567".to_owned()],
        ("national_id", _) => vec!["1234567890".to_owned()],
        ("from", _) => vec![in_days(1, 0).format("%Y-%m-%dT%H:%M:%SZ").to_string()],
        ("to", _) => vec![in_days(9, 0).format("%Y-%m-%dT%H:%M:%SZ").to_string()],
        (_, Some("boolean")) => vec!["true".to_owned(), "false".to_owned()],
        _ if schema["enum"].is_array() => {
            let values = schema["enum"].as_array().into_iter().flatten();
            values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
        }
        _ => panic!("{}: say in plan.rs what {name} may be", operation.id),
    };
    let mut requests = vec![fixture.clone()];
    let mut together = fixture.clone();
    for (name, schema) in &operation.optional {
        for value in value(name, schema) {
            // With a single entry a later page is empty; with one entry a page, the total is counted as well.
            let alone = if name == "page" { fixture.clone().with("page_size", &1) } else { fixture.clone() };
            requests.push(alone.with(name, &value));
            together = together.with(name, &value);
        }
    }
    requests.push(together);
    requests
}

/// Returns the reading statements by their text, each with an instance that was sent and the operation that sent it.
async fn shapes(world: &World) -> BTreeMap<String, (Statement, String)> {
    let named = Named::of(world).await;
    let mut shapes = BTreeMap::new();
    // Operations outside `/v1/` read no clinic's data. Protected health information is read in a transaction, which
    // begins by entering the context.
    let of_clinics = |operation: &&Operation| operation.path.starts_with("/v1/") && !operation.phi;
    for operation in world.operations.iter().filter(of_clinics) {
        let id = operation.id.as_str();
        let asker = match id {
            _ if operation.public => Asker::nobody(&world.app),
            "me_delete" => world.leaver("staff").await,
            _ => world.asker(granted_to(id, &["staff", "admin", "specialist", "patient", "superadmin"])).await,
        };
        world.listed(operation).await;
        let fixture = world.fixture(id).await;
        // Some mutations read first; the rows that they change are read in their transaction.
        let reading = operation.method == Method::GET;
        let requests = if reading { requests(&named, operation, &fixture) } else { vec![fixture] };
        let mut seen = 0;
        for request in requests {
            world.app.proxy().listen();
            let answer = Answer::to(asker.request(operation, &request)).await;
            assert!(answer.status.is_success(), "{id}: {} {}", answer.status, answer.body);
            let reads = reads(&world.app);
            seen += reads.len();
            // The first instance of each is kept, whose values found something.
            for read in reads {
                shapes.entry(read.sql.clone()).or_insert_with(|| (read, id.to_owned()));
            }
        }
        assert!(seen > 0 || !reading, "{id} reads nothing in the context of who asks");
    }
    shapes
}

/// Returns the plan of a prepared statement with its values.
pub(crate) async fn plan(database: &mut PgConnection, mode: &str, call: &str) -> Value {
    database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
    let explain = format!("explain (format json, costs off) execute {call}");
    let mut plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(database).await.unwrap();
    plan[0]["Plan"].take()
}

/// Returns the nodes by which a statement reads tables without an index condition.
async fn scanned(database: &mut PgConnection, name: &str, statement: &Statement) -> Vec<String> {
    // The settings of the service's connections.
    database.execute("set enable_seqscan = off; set enable_bitmapscan = off").await.unwrap();
    let literals = prepare(database, name, statement).await;
    let plan = plan(database, "force_generic_plan", &format!("{name}({literals})")).await;
    database.execute("reset enable_seqscan; reset enable_bitmapscan").await.unwrap();
    let mut found = Vec::new();
    unbounded(&plan, &mut found);
    found
}

#[tokio::test]
async fn the_context_is_entered_before_anything_is_read_by_an_index() {
    let around = Surroundings::start().await;
    let world = World::proxied(&around).await;
    let shapes = shapes(&world).await;
    let mut read = BTreeMap::<&str, i64>::new();
    // If the planner knew how few rows a test has, it would read them all.
    let forget = "select pg_clear_relation_stats(n.nspname::text, c.relname::text)
                  from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = 'public' and c.relkind = 'r'";
    world.app.owner().await.execute(forget).await.unwrap();
    let mut database = world.app.database.app().await;
    for (number, (statement, operation)) in shapes.values().enumerate() {
        let name = format!("shape_{number}");
        let literals = prepare(&mut database, &name, statement).await;
        for mode in ["force_generic_plan", "force_custom_plan"] {
            let plan = plan(&mut database, mode, &format!("{name}({literals})")).await;
            assert_eq!(
                (entered_first(&plan), scans(&plan)),
                (1, 1),
                "{operation}, {mode}: {}\n{plan:#}",
                statement.sql
            );
        }
        let scanned = scanned(&mut database, &format!("indexed_{number}"), statement).await;
        assert!(scanned.is_empty(), "{operation} needs an index instead of {scanned:?}: {}", statement.sql);
        *read.entry(operation).or_default() += rows(&mut database, &format!("execute {name}({literals})")).await;
        let pretending = Statement { sql: statement.sql.replace(ENTER, PRETEND), values: statement.values.clone() };
        let name = format!("pretended_{number}");
        let literals = prepare(&mut database, &name, &pretending).await;
        let found = rows(&mut database, &format!("execute {name}({literals})")).await;
        assert_eq!(found, 0, "{operation}: reads rows without a context: {}", statement.sql);
    }
    let gets = world.operations.iter().filter(|operation| operation.method == Method::GET);
    let nothing: Vec<_> = gets.map(|get| get.id.as_str()).filter(|id| read.get(id) == Some(&0)).collect();
    assert!(nothing.is_empty(), "read nothing with the context, so nothing is shown: {nothing:?}");
    println!("{} shapes of reads, each under a generic and a custom plan", shapes.len());
}
