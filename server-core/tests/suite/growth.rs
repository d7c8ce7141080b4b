//! Statements read in proportion to what they return, not to what their clinic or another one has, also while
//! statistics are older than its growth. Every operation is called in a clinic with 200 rows a table, and again after
//! another clinic and then this one have got 20,000, without an ANALYZE in between: by connections that keep their
//! plans, and by plans made anew. PostgreSQL counts the buffers that each statement reads, with those of functions and
//! triggers.

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
/// Buffers that a statement may read besides: a level more of each index, and rows that the calls themselves have
/// added. A scan of 20,000 rows reads more than 400.
const BESIDES: i64 = 100;

/// Buffers that each statement of each operation reads.
type Reads = BTreeMap<(String, String), i64>;

/// Adds rows to the home clinic until it has `count` more than in the beginning, beyond those from `before` on: people
/// of the clinic, values in their profiles, their forms, and their appointments, a quarter of an hour each, long past
/// or far ahead of those that the fixtures use.
async fn grow(database: &mut PgConnection, organization: i64, before: i64, count: i64) {
    let statements = [
        "with key as (select data_key_id as id, name_folded, name_sort, name_keys_version, indexes_version from patients
                      where organization_id = $1 order by id limit 1)
         insert into patients (organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort,
                               name_keys_version, indexes_version)
         select $1, gen_random_uuid(), key.id, 'Grown', 'Number ' || n, key.name_folded, key.name_sort,
                key.name_keys_version, key.indexes_version
         from key, generate_series($2 + 1, $3) n",
        "with people as (select array(select id from specialists
                                      where organization_id = $1 and name like 'Dr. Grown %' order by id) as specialists,
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
        // A value in the profile of each of these patients, of one field.
        r#"with made as (insert into custom_fields (organization_id, entity, key, phi, readable_by, writable_by)
                         values ($1, 'patient', 'grown', false, '{admin}', '{admin}') on conflict do nothing returning id),
                first as (insert into custom_field_versions (organization_id, custom_field_id, version, field_type, phi,
                                                             definition, readable_by, writable_by)
                          select $1, id, 1, 'text', false, '{"field_type": "text", "label": "Grown", "phi": false}',
                                 '{admin}', '{admin}' from made),
                field as (select id from made
                          union all
                          select id from custom_fields where organization_id = $1 and entity = 'patient' and key = 'grown'),
                people as (select p.id, p.data_key_id from patients p
                           where p.organization_id = $1
                             and case when p.first_name = 'Grown' then substr(p.last_name, 8)::bigint end
                                 between $2 + 1 and $3),
                owned as (insert into profiles (organization_id, entity, patient_id) select $1, 'patient', id from people)
           insert into profile_values (organization_id, uid, entity, patient_id, custom_field_id, key, field_version, phi,
                                       data_key_id, text_value, changed_in)
           select $1, gen_random_uuid(), 'patient', people.id, field.id, 'grown', 1, false, people.data_key_id, 'Grown', 1
           from people, field"#,
        // A draft of each of these patients, at its first appointment if there is one.
        r"with template as (insert into form_templates (organization_id, name, slug, definition, fields, faults,
                                                       definition_hash)
                           select $1, 'Grown', 'grown', '{}', '[]', '[]', sha256('grown'::bytea)
                           where not exists (select from form_template_versions where organization_id = $1)
                           returning id),
               first as (insert into form_template_versions (organization_id, form_template_id, version, content,
                                                             content_hash)
                         select $1, id, 1, '{}', sha256('grown'::bytea) from template),
               asked as (select id as form_template_id, 1 as version from template
                         union all
                         (select form_template_id, version from form_template_versions where organization_id = $1
                          order by form_template_id, version limit 1)),
               made as (insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id,
                                           form_template_version, name, language, document_encrypted)
                        select $1, gen_random_uuid(), p.id, p.data_key_id, a.form_template_id, a.version, 'Grown', 'en',
                               '\x00'
                        from asked a, patients p
                        where p.organization_id = $1
                          and case when p.first_name = 'Grown' then substr(p.last_name, 8)::bigint end
                              between $2 + 1 and $3
                        returning id, patient_id, form_template_id, form_template_version),
               linked as (insert into appointment_forms (organization_id, form_id, appointment_id, form_template_id)
                          select $1, m.id, a.id, m.form_template_id
                          from made m
                          join (select a.patient_id, min(a.id) as id from appointments a
                                where a.organization_id = $1 group by a.patient_id) a on a.patient_id = m.patient_id)
          insert into form_changes (organization_id, form_id, form_version, patient_id, kind, form_template_version)
          select $1, id, 1, patient_id, 'created', form_template_version from made",
    ];
    // As connections of the service: the checks of foreign keys would scan what the statement has added so far.
    database.execute("set enable_seqscan = off; set enable_bitmapscan = off").await.unwrap();
    for sql in statements {
        let added = sqlx::query(sql).bind(organization).bind(before).bind(count).execute(&mut *database).await.unwrap();
        assert_eq!(added.rows_affected(), u64::try_from(count - before).unwrap(), "{sql}");
    }
    database.execute("reset enable_seqscan; reset enable_bitmapscan").await.unwrap();
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

/// Number of operations that a walk calls first, so that the caches of PostgreSQL's process know the tables again.
const AGAIN: usize = 3;

/// Subject of the walks.
struct Walked<'a> {
    world: &'a World,
    named: Named,
    statements: Statements,
    /// Operations that have succeeded; they need not do so again, e.g. when they make the same name twice.
    done: BTreeSet<String>,
}

impl Walked<'_> {
    /// Calls every operation; returns the least that each statement read in one of its requests.
    async fn walk(&mut self) -> Reads {
        self.walk_some(AGAIN).await;
        self.walk_some(usize::MAX).await
    }

    async fn walk_some(&mut self, count: usize) -> Reads {
        let mut reads = Reads::new();
        let world = self.world;
        // A video appointment takes place now, so there is one of them and not one for each walk. An export reads every
        // row of a table, and takes a second connection.
        let of_clinics = |operation: &&Operation| {
            let is_left_out = matches!(operation.id.as_str(), "video_token_create" | "csv_export")
                || operation.id.starts_with("export_job_");
            operation.path.starts_with("/v1/") && !operation.public && !is_left_out
        };
        for operation in world.operations.iter().filter(of_clinics).take(count) {
            let id = operation.id.as_str();
            let asker = match id {
                "me_delete" => world.leaver("staff").await,
                _ => world.asker(granted_to(id, &["staff", "admin", "specialist", "patient", "superadmin"])).await,
            };
            world.listed(operation).await;
            for fixture in fixtures(world, &self.named, operation).await {
                self.statements.reset().await;
                self.call(&asker, operation, &fixture).await;
                for (statement, buffers) in self.statements.reads().await {
                    let least = reads.entry((id.to_owned(), statement)).or_insert(buffers);
                    *least = buffers.min(*least);
                }
            }
        }
        reads
    }

    async fn call(&mut self, asker: &Asker, operation: &Operation, fixture: &Fixture) {
        let answer = Answer::to(asker.request(operation, fixture)).await;
        if answer.status.is_success() {
            self.done.insert(operation.id.clone());
        }
        // Names that are taken are found by the same statements.
        let repeated = answer.status == 409 && self.done.contains(&operation.id);
        assert!(answer.status.is_success() || repeated, "{}: {} {}", operation.id, answer.status, answer.body);
    }
}

/// Returns the requests for an operation: a read with each optional parameter, any other once.
async fn fixtures(world: &World, named: &Named, operation: &Operation) -> Vec<Fixture> {
    let fixture = world.fixture(&operation.id).await;
    if operation.method == Method::GET { requests(named, operation, &fixture) } else { vec![fixture] }
}

/// Returns the line of a statement: its operation and its beginning.
fn line(operation: &str, statement: &str) -> String {
    let start: String = statement.chars().take(300).collect();
    format!("{operation}: {}", start.trim_end())
}

/// Returns the lines of the file that state something: the most that statements may read, and the beginning of their
/// lines.
fn known() -> impl Iterator<Item = (i64, &'static str)> {
    let lines = KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (most, beginning) = line.split_once(' ').unwrap();
        (most.parse().unwrap(), beginning)
    })
}

#[tokio::test]
async fn statements_read_no_more_after_a_clinic_has_grown() {
    let around = Surroundings::start().await;
    let world = World::counted(&around).await;
    let named = Named::of(&world).await;
    let mut database = world.app.database.superuser().await;
    let home = world.app.home().id;
    let away = world.app.away().id;
    let specialists =
        "insert into specialists (organization_id, name, timezone, name_folded, name_sort, name_keys_version)
         select o.id, 'Dr. Grown ' || n, s.timezone, s.name_folded, s.name_sort, s.name_keys_version
         from specialists s, generate_series(1, 40) n, unnest($2::bigint[]) as o (id) where s.id = $1";
    let specialists = sqlx::query(specialists).bind(world.app.home().specialist_id).bind(vec![home, away]);
    specialists.execute(&mut database).await.unwrap();
    world.app.patient_create(&world.app.other_admin(), "Ann", "Lee").await;
    // Forms are made of its version; the home clinic has one by now.
    crate::form_template::published(&world.app.other_admin()).await;
    database.execute("analyze").await.unwrap();
    grow(&mut database, home, 0, SMALL).await;
    let statements = world.app.database.statements().await;
    let mut walked = Walked { world: &world, named, statements, done: BTreeSet::new() };
    // The first calls read the catalogue for every function and trigger.
    walked.walk().await;
    let small = walked.walk().await;
    grow(&mut database, away, 0, LARGE).await;
    forget_plans(&mut database).await;
    let beside_others = walked.walk().await;
    grow(&mut database, home, SMALL, LARGE).await;
    let kept = walked.walk().await;
    forget_plans(&mut database).await;
    let renewed = walked.walk().await;

    let mut grown = BTreeMap::<String, (i64, i64)>::new();
    let mut compared = 0;
    for ((operation, statement), before) in &small {
        let key = (operation.clone(), statement.clone());
        let Some(after) = beside_others.get(&key).max(kept.get(&key)).max(renewed.get(&key)) else { continue };
        compared += 1;
        if *after > FACTOR * before + BESIDES {
            grown.insert(line(operation, statement), (*before, *after));
        }
    }
    assert!(compared > 500, "{compared} statements of the operations were counted in both sizes");
    let mut wrong = String::new();
    for (line, (before, after)) in &grown {
        if !known().any(|(most, beginning)| line.starts_with(beginning) && *after <= most) {
            let _ = writeln!(wrong, "{line}\n    reads {after} buffers instead of {before}");
        }
    }
    let lines: BTreeSet<String> = small.keys().map(|(operation, statement)| line(operation, statement)).collect();
    for (_, beginning) in known().filter(|(_, beginning)| !lines.iter().any(|line| line.starts_with(beginning))) {
        let _ = writeln!(wrong, "{beginning}\n    begins no statement of an operation any more: remove it from {FILE}");
    }
    assert!(wrong.is_empty(), "statements read more because the clinic has grown; compare with {FILE}:\n{wrong}");
    println!("{compared} statements of operations, of which {} are known to grow", grown.len());
}
