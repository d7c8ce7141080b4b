//! Statements read in proportion to what they return, not to what a clinic has, also while statistics are older than its
//! growth. Every operation is called in a clinic with 200 rows a table and again after 20,000, without an ANALYZE in
//! between: by connections that keep their plans, and by plans made anew. PostgreSQL counts the buffers that each statement
//! reads, with those of functions and triggers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use reqwest::Method;
use sqlx::{Executor, PgConnection};
use test_support::{Answer, Fixture, Operation, Statements};

use crate::{
    matrix::{Asker, Surroundings, World, granted_to},
    plan::{Named, requests},
};

const FILE: &str = "server-core/tests/suite/growth.txt";
/// Statements that grow with what they return, or are known to read too much; each group with its reason.
const KNOWN: &str = include_str!("growth.txt");

const SMALL: i64 = 200;
const LARGE: i64 = 20_000;
/// Factor by which the buffers of a statement may grow. An index of 20,000 rows is a level higher than one of 200.
const FACTOR: i64 = 2;
/// Buffers that a statement may read besides: a level more of each index, and rows that the calls themselves have added.
/// A scan of 20,000 rows reads more than 400.
const BESIDES: i64 = 50;

/// Buffers that each statement of each operation reads.
type Reads = BTreeMap<(String, String), i64>;

/// Adds rows to the home clinic until it has `count` more than in the beginning, beyond those from `before` on: people
/// of the clinic, and their appointments, a third of a day apart, long past or far ahead of those that the fixtures use.
async fn grow(database: &mut PgConnection, organization: i64, before: i64, count: i64) {
    let statements = [
        "with key as (select data_key_id as id, name_folded, name_sort, name_keys_version, indexes_version from patients
                      where organization_id = $1 order by id limit 1)
         insert into patients (organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort,
                               name_keys_version, indexes_version)
         select $1, gen_random_uuid(), key.id, 'Grown', 'Number ' || n, key.name_folded, key.name_sort,
                key.name_keys_version, key.indexes_version
         from key, generate_series($2 + 1, $3) n",
        "with people as (select array(select id from specialists where name like 'Dr. Grown %' order by id) as specialists,
                                array(select id from patients where organization_id = $1 and first_name = 'Grown'
                                      order by id) as patients)
         insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id, user_id)
         select $1, case when n % 2 = 0 then 'scheduled' when n % 3 = 0 then 'cancelled' else 'completed' end, at,
                at + interval '15 minutes', tstzrange(at, at + interval '15 minutes'), specialists[n % 40 + 1],
                patients[n / 10 + 1], null
         from people, generate_series($2, $3 - 1) n,
              lateral (select date_trunc('day', now()) + n % 40 * interval '18 minutes'
                              + case when n % 2 = 0 then interval '400 days' + n / 40 * interval '12 hours'
                                     else interval '-400 days' - n / 40 * interval '12 hours' end as at) t",
        "insert into audit_log (id, occurred_at, organization_id, actor_kind, action, entity_type, entity_id, operation_id,
                                request_id, outcome)
         select gen_random_uuid(), now() - n * interval '1 minute', $1, 'system', 'created', 'appointment', n::text,
                'grown', gen_random_uuid()::text, 'succeeded'
         from generate_series($2 + 1, $3) n",
    ];
    for sql in statements {
        sqlx::query(sql).bind(organization).bind(before).bind(count).execute(&mut *database).await.unwrap();
    }
}

/// Lets every connection make its plans anew, with statistics as old as before.
async fn forget_plans(database: &mut PgConnection) {
    let sql = "do $$
               declare name regclass;
               begin
                   for name in select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace loop
                       execute format('alter table %s set (autovacuum_enabled = off)', name);
                   end loop;
               end $$";
    database.execute(sql).await.unwrap();
}

/// Calls the first operations, so that the caches of PostgreSQL's process know the tables again.
const AGAIN: usize = 3;

/// Calls every operation; returns the least that each statement read in one of its requests.
async fn walk(world: &World, named: &Named, statements: &mut Statements, reads: &mut Reads) {
    for count in [AGAIN, usize::MAX] {
        reads.clear();
        walk_some(world, named, statements, count, reads).await;
    }
}

async fn walk_some(world: &World, named: &Named, statements: &mut Statements, count: usize, reads: &mut Reads) {
    // A video appointment takes place now, so there is one of them and not one for each round.
    let of_clinics = |operation: &&Operation| {
        operation.path.starts_with("/v1/") && !operation.public && operation.id != "video_token_create"
    };
    for operation in world.operations.iter().filter(of_clinics).take(count) {
        let id = operation.id.as_str();
        let asker = match id {
            "me_delete" => world.leaver("staff").await,
            _ => world.asker(granted_to(id, &["staff", "admin", "specialist", "patient", "superadmin"])).await,
        };
        world.listed(operation).await;
        for fixture in fixtures(world, named, operation).await {
            statements.reset().await;
            called(&asker, operation, &fixture).await;
            for (statement, buffers) in statements.reads().await {
                let least = reads.entry((id.to_owned(), statement)).or_insert(buffers);
                *least = buffers.min(*least);
            }
        }
    }
}

/// Returns the requests for an operation: a read with each optional parameter, any other twice.
async fn fixtures(world: &World, named: &Named, operation: &Operation) -> Vec<Fixture> {
    let fixture = world.fixture(&operation.id).await;
    if operation.method == Method::GET { requests(named, operation, &fixture) } else { vec![fixture] }
}

async fn called(asker: &Asker, operation: &Operation, fixture: &Fixture) {
    let answer = Answer::to(asker.request(operation, fixture)).await;
    // From the second round on, names of what is created are taken, which is found by the same statements.
    let done = answer.status.is_success() || answer.status == 409;
    assert!(done, "{}: {} {}", operation.id, answer.status, answer.body);
}

/// Returns the line of a statement: its operation and its beginning.
fn line(operation: &str, statement: &str) -> String {
    let start: String = statement.chars().take(160).collect();
    format!("{operation}: {}", start.trim_end())
}

/// Returns the lines of the file that state something. Each is the beginning of the lines of one or several statements.
fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[tokio::test]
async fn statements_read_no_more_after_a_clinic_has_grown() {
    let around = Surroundings::start().await;
    let world = World::counted(&around).await;
    let named = Named::of(&world).await;
    let mut database = world.app.database.superuser().await;
    let home = world.app.home().id;
    let specialists =
        "insert into specialists (organization_id, name, timezone, name_folded, name_sort, name_keys_version)
                       select organization_id, 'Dr. Grown ' || n, timezone, name_folded, name_sort, name_keys_version
                       from specialists, generate_series(1, 40) n where id = $1";
    sqlx::query(specialists).bind(world.app.home().specialist_id).execute(&mut database).await.unwrap();
    let mut statements = world.app.database.statements().await;
    database.execute("analyze").await.unwrap();
    grow(&mut database, home, 0, SMALL).await;
    let (mut warm, mut small, mut kept, mut renewed) = (Reads::new(), Reads::new(), Reads::new(), Reads::new());
    // The first calls read the catalogue for every function and trigger.
    walk(&world, &named, &mut statements, &mut warm).await;
    walk(&world, &named, &mut statements, &mut small).await;
    grow(&mut database, home, SMALL, LARGE).await;
    walk(&world, &named, &mut statements, &mut kept).await;
    forget_plans(&mut database).await;
    walk(&world, &named, &mut statements, &mut renewed).await;

    let mut grown = BTreeMap::<String, (i64, i64)>::new();
    let mut compared = 0;
    for ((operation, statement), before) in &small {
        let key = (operation.clone(), statement.clone());
        let Some(after) = kept.get(&key).max(renewed.get(&key)) else { continue };
        compared += 1;
        if *after > FACTOR * before + BESIDES {
            grown.insert(line(operation, statement), (*before, *after));
        }
    }
    assert!(compared > 500, "{compared} statements of the operations were counted in both sizes");
    let mut wrong = String::new();
    for (line, (before, after)) in &grown {
        if !known().any(|known| line.starts_with(known)) {
            let _ = writeln!(wrong, "{line}\n    reads {after} buffers instead of {before}");
        }
    }
    let lines: BTreeSet<String> = small.keys().map(|(operation, statement)| line(operation, statement)).collect();
    for known in known().filter(|known| !lines.iter().any(|line| line.starts_with(known))) {
        let _ = writeln!(wrong, "{known}\n    begins no statement of an operation any more: remove it from {FILE}");
    }
    assert!(wrong.is_empty(), "statements read more because the clinic has grown; compare with {FILE}:\n{wrong}");
    println!("{compared} statements of operations, of which {} are known to grow", grown.len());
}
