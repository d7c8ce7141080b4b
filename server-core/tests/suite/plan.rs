//! Reads of one statement set the context in the statement that reads. Taken from the wire as Core
//! sends them, each is shown to do so first, by its plan, and to read nothing when it doesn't.

use std::collections::BTreeMap;

use restartix_sdk::core::types::{SpecialistInput, SpecialtyInput};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Column, Executor, PgConnection, Row, postgres::PgRow};
use test_support::{CoreApp, Statement, granted, in_days, refused};

const ENTER: &str = "context_enter($1, $2, $3, $4, $5) as ctx";
/// Takes the same parameters and sets nothing.
const PRETEND: &str =
    "(select num_nulls($1::bigint, $2::bigint, $3::text, $4::bigint, $5::bigint) >= 0 as ctx) as pretended";

/// Every statement of one operation that enters the context itself.
async fn reads(app: &CoreApp, request: impl Future<Output = ()>) -> Vec<Statement> {
    app.proxy().listen();
    request.await;
    let said = app.proxy().said();
    let reads: Vec<Statement> = said.statements().into_iter().filter(|s| s.sql.contains(ENTER)).cloned().collect();
    assert!(!reads.is_empty(), "no read of one statement was seen: {said:?}");
    reads
}

/// A value of the wire as a literal.
fn literal(kind: &str, value: Option<&Vec<u8>>) -> String {
    let Some(bytes) = value else { return "null".to_owned() };
    match kind {
        "bigint" => i64::from_be_bytes(bytes.as_slice().try_into().unwrap()).to_string(),
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
        "text[]" => {
            let texts = elements(bytes).map(|text| String::from_utf8(text.to_vec()).unwrap());
            format!("'{{{}}}'::text[]", texts.collect::<Vec<_>>().join(","))
        }
        other => panic!("a parameter of type {other}: teach this test to write it"),
    }
}

/// The elements of an array of one dimension, none of them null: after its head of twenty bytes, each
/// after its length.
fn elements(array: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = array.get(20..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (element, after) = after.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        rest = after;
        Some(element)
    })
}

/// Prepares a statement under a name; gives the literals of its parameters.
async fn prepare(database: &mut PgConnection, name: &str, statement: &Statement) -> String {
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

/// How many rows it reads; a count of rows counts as so many.
async fn rows(database: &mut PgConnection, execute: &str) -> i64 {
    let rows = database.fetch_all(AssertSqlSafe(execute.to_owned())).await.unwrap();
    let has = |row: &PgRow, name: &str| row.columns().iter().any(|column| column.name() == name);
    match rows.first() {
        // A list says its total in each row, and in one where there is no entry.
        Some(row) if has(row, "total") => {
            let entries = rows.iter().filter(|row| row.get::<Option<i64>, _>("id").is_some()).count();
            row.get::<i64, _>("total") + i64::try_from(entries).unwrap()
        }
        // A count is one row, called so by its query.
        Some(row) if row.columns().iter().map(Column::name).eq(["total!"]) => row.get(0),
        _ => i64::try_from(rows.len()).unwrap(),
    }
}

/// The joins of a plan whose outer side is the function that enters the context.
fn entered_first(plan: &Value) -> usize {
    let children = plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let outer = children.iter().find(|child| child["Parent Relationship"] == "Outer");
    let enters = outer.is_some_and(|outer| outer["Function Name"] == "context_enter");
    let here = usize::from(plan["Node Type"] == "Nested Loop" && enters);
    here + children.iter().map(entered_first).sum::<usize>()
}

/// How often the plan scans the function at all.
fn scans(plan: &Value) -> usize {
    let children = plan["Plans"].as_array().map(Vec::as_slice).unwrap_or_default();
    usize::from(plan["Function Name"] == "context_enter") + children.iter().map(scans).sum::<usize>()
}

#[tokio::test]
async fn the_context_is_entered_before_anything_is_read() {
    let app = CoreApp::builder().proxied().start().await;
    let (staff, home) = (app.staff(), app.home());
    let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
    let specialty = granted(app.admin().specialty_create().body(body).send().await, 201).id;
    let template = app.appointment_template_create(&app.admin(), CoreApp::new_appointment_template("Talk")).await;
    app.schedule_set(&app.admin(), home.specialist_id, CoreApp::new_schedule()).await;
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, home.specialist_id, patient, in_days(2, 9)).await;
    let (id, uid) = (booked.id, booked.uid);

    let mut shapes: BTreeMap<String, (Statement, &str)> = BTreeMap::new();
    let mut collect = |operation: &'static str, statements: Vec<Statement>| {
        for statement in statements {
            shapes.insert(statement.sql.clone(), (statement, operation));
        }
    };
    macro_rules! read {
        ($operation:ident $(. $argument:ident ( $value:expr ))*) => {
            collect(stringify!($operation), reads(&app, async {
                granted(staff.$operation()$(.$argument($value))*.send().await, 200);
            }).await)
        };
    }
    read!(organization_list.page_size(1));
    read!(organization_find.slug(&home.slug));
    read!(organization_get.organization_id(home.id));
    read!(organization_settings_get.organization_id(home.id));
    read!(specialty_list.page_size(1));
    read!(specialty_list.page_size(1).sort("-name"));
    read!(specialty_get.specialty_id(specialty));
    let knees = SpecialistInput { specialty_ids: vec![specialty], ..CoreApp::new_specialist("Dr. Knee") };
    granted(app.admin().specialist_create().body(knees).send().await, 201);
    read!(specialist_list.page_size(1).bookable(true));
    read!(specialist_list.page_size(1).sort("-name").specialty_id(specialty));
    read!(specialist_get.specialist_id(home.specialist_id));
    read!(specialist_schedule_get.specialist_id(home.specialist_id));
    read!(specialist_availability_get.specialist_id(home.specialist_id).template_id(template.id));
    read!(appointment_template_list);
    read!(appointment_template_get.appointment_template_id(template.id));
    read!(appointment_template_find.slug(&template.slug));
    read!(appointment_list);
    read!(appointment_list.page_size(1).page(2));
    read!(appointment_list.page_size(1).from(in_days(1, 0)).to(in_days(9, 0)));
    read!(
        appointment_list
            .page_size(1)
            .sort("-started_at")
            .specialist_id(home.specialist_id)
            .patient_id(patient)
            .status("scheduled")
    );
    read!(appointment_get.appointment_id(id));
    read!(appointment_find.uid(uid));
    read!(calendar_get.from(in_days(1, 0)).to(in_days(9, 0)));
    read!(calendar_get.from(in_days(1, 0)).to(in_days(9, 0)).specialist_id(home.specialist_id).status("scheduled"));
    let away = app.specialist_create(&app.admin(), "Dr. Away").await.id;
    let wish = crate::waitlist::wish(away, Some(patient), in_days(1, 0), in_days(9, 0));
    let waits = crate::waitlist::wait(&staff, wish).await.id;
    crate::waitlist::settled(&app).await;
    read!(waitlist_entry_list);
    read!(waitlist_entry_list.page_size(1).specialist_id(away).patient_id(patient).status("waiting"));
    let token = granted(staff.calendar_feed_create().send().await, 201).token;
    read!(calendar_feed_get.token(&token));
    let accepting = reads(&app, async {
        let accept = staff.waitlist_entry_accept().waitlist_entry_id(waits).send().await;
        refused(accept, 409, "no_offer");
    });
    collect("waitlist_entry_accept", accepting.await);
    assert!(shapes.len() >= 24, "fewer shapes than the operations have: {}", shapes.len());

    let mut database = app.database.app().await;
    for (number, (statement, operation)) in shapes.values().enumerate() {
        let name = format!("shape_{number}");
        let literals = prepare(&mut database, &name, statement).await;
        for mode in ["force_generic_plan", "force_custom_plan"] {
            database.execute(AssertSqlSafe(format!("set plan_cache_mode = {mode}"))).await.unwrap();
            let explain = format!("explain (format json, costs off) execute {name}({literals})");
            let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut database).await.unwrap();
            let plan = &plan[0]["Plan"];
            assert_eq!((entered_first(plan), scans(plan)), (1, 1), "{operation}, {mode}: {}\n{plan:#}", statement.sql);
            let found = rows(&mut database, &format!("execute {name}({literals})")).await;
            assert!(found > 0, "{operation}, {mode}: reads nothing with the context: {}", statement.sql);
        }
        let pretending = Statement { sql: statement.sql.replace(ENTER, PRETEND), values: statement.values.clone() };
        let name = format!("pretended_{number}");
        let literals = prepare(&mut database, &name, &pretending).await;
        let found = rows(&mut database, &format!("execute {name}({literals})")).await;
        assert_eq!(found, 0, "{operation}: reads rows without a context: {}", statement.sql);
    }
    println!("{} shapes of reads, each under a generic and a custom plan", shapes.len());
}
