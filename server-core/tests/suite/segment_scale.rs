//! Segments of large clinics: the time of an evaluation over 100,000 patients, and its plan.

use std::time::{Duration, Instant};

use restartix_sdk::core::types::PreviewSegment;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use test_support::{CoreApp, Kind, granted};

use crate::{
    custom_field::field,
    form_submit::{asked, body, template},
    plan::{plan, prepare},
    segment::{create, evaluate, evaluated},
};

const PATIENTS: i64 = 100_000;
/// Time that an evaluation may take.
const MOST: Duration = Duration::from_secs(2);

/// Rule of five conditions on different subjects, nested.
fn rule(weight: i64, smokes: i64, form: i64, segment: i64) -> Value {
    let away = json!({ "op": "less", "appointments": { "measure": "last_at" }, "value": "today-30d" });
    let seldom = json!({ "op": "less", "appointments": { "measure": "count" }, "value": 2 });
    let hours = json!({ "op": "greater", "form": { "form_template_id": form, "key": "hours" }, "value": 3 });
    json!({ "op": "and", "rules": [
        { "op": "greater", "custom_field": { "custom_field_id": weight }, "value": 20 },
        { "op": "or", "rules": [away, { "op": "and", "rules": [seldom, hours] }] },
        { "op": "not", "rules": [{ "op": "or", "rules": [
            { "op": "equals", "custom_field": { "custom_field_id": smokes }, "value": true },
            { "op": "is_member", "segment_id": segment },
        ] }] },
    ] })
}

/// Adds so many patients, each with two values in its profile and two appointments, and every third with a form.
async fn fill(app: &CoreApp, count: i64, (weight, smokes, form): (i64, i64, i64)) {
    let (home, specialist) = (app.home().id, app.home().specialist_id);
    let sql = format!(
        "set session_replication_role = replica;
         insert into patients (organization_id, uid, data_key_id, first_name, last_name, name_folded, name_sort,
                               name_keys_version, indexes_version)
         select p.organization_id, gen_random_uuid(), p.data_key_id, 'Many', n::text, p.name_folded, p.name_sort,
                p.name_keys_version, p.indexes_version
         from (select * from patients where organization_id = {home} order by id limit 1) p,
              generate_series(1, {count}) n;
         insert into profiles (organization_id, entity, patient_id)
         select {home}, 'patient', id from patients where organization_id = {home} and first_name = 'Many';
         insert into profile_values (organization_id, uid, entity, patient_id, custom_field_id, key, field_version, phi,
                                     data_key_id, number_value, boolean_value, changed_in)
         select {home}, gen_random_uuid(), 'patient', p.id, v.field, v.key, 1, false, p.data_key_id,
                case when v.key = 'weight' then p.id % 100 end, case when v.key = 'smokes' then p.id % 4 = 0 end, 1
         from patients p, (values ({weight}, 'weight'), ({smokes}, 'smokes')) v (field, key)
         where p.organization_id = {home} and p.first_name = 'Many';
         insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id)
         select {home}, 'completed', t.at, t.at + interval '10 minutes', tstzrange(t.at, t.at + interval '10 minutes'),
                {specialist}, p.id
         from patients p, generate_series(1, 2) n,
              lateral (select now() - interval '1 hour' * (p.id % 2000 + n * 3) as at) t
         where p.organization_id = {home} and p.first_name = 'Many';
         with made as (
             insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version,
                                name, language, status, document_encrypted, submitted_at)
             select {home}, gen_random_uuid(), id, data_key_id, {form}, 1, 'Form', 'en', 'submitted', '\\x00', now()
             from patients where organization_id = {home} and first_name = 'Many' and id % 3 = 0
             returning id, patient_id)
         insert into form_answers (organization_id, form_id, patient_id, form_template_id, key, is_score, number_value)
         select {home}, id, patient_id, {form}, 'hours', false, id % 7 from made;
         reset session_replication_role;"
    );
    app.database.superuser().await.execute(AssertSqlSafe(sql)).await.unwrap();
}

/// Creates what the rule names; returns the ids of the fields, the form template and a segment.
async fn named(app: &CoreApp) -> (i64, i64, i64, i64) {
    let admin = app.admin();
    app.patient_create(&admin, "Ann", "First").await;
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer" })).await.id;
    let smokes = field(&admin, "patient", "smokes", json!({ "field_type": "boolean" })).await.id;
    let form = template(&admin, &[asked("hours", "integer", false)], &[]).await.id;
    let email = json!({ "op": "equals", "attribute": "has_email", "value": true });
    (weight, smokes, form, evaluated(&admin, email).await)
}

#[tokio::test]
async fn a_hundred_thousand_patients_are_evaluated_in_two_seconds() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (weight, smokes, form, segment) = named(&app).await;
    fill(&app, PATIENTS, (weight, smokes, form)).await;
    app.database.vacuum(&["patients", "appointments", "profile_values", "forms", "form_answers"]).await;
    let id = create(&admin, rule(weight, smokes, form, segment)).await.id;
    let first = evaluate(&admin, id).await.changes.expect("an administrator sees them");
    assert!(first.member_count > PATIENTS / 10 && first.member_count < PATIENTS, "{first:?}");
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        // All members leave, so that each evaluation inserts them again.
        sqlx::query("delete from segment_members").execute(&mut app.owner().await).await.unwrap();
        let begun = Instant::now();
        let again = evaluate(&admin, id).await.changes.expect("an administrator sees them");
        fastest = fastest.min(begun.elapsed());
        assert_eq!((again.joined_count, again.member_count), (first.member_count, first.member_count));
        assert_eq!(again.joined.len(), 100, "the first ones are named");
    }
    assert!(fastest < MOST, "the fastest of three evaluations took {fastest:?}");
    // Everybody is a member, so that all others leave.
    let sql = "insert into segment_members (organization_id, segment_id, patient_id, joined_at)
               select organization_id, $1, id, now() from patients where organization_id = $2
               on conflict do nothing";
    let home = app.home().id;
    sqlx::query(sql).bind(id).bind(home).execute(&mut app.owner().await).await.unwrap();
    let begun = Instant::now();
    let swapped = evaluate(&admin, id).await.changes.expect("an administrator sees them");
    let took = begun.elapsed();
    assert_eq!((swapped.joined_count, swapped.left_count), (0, PATIENTS + 1 - first.member_count));
    assert!(took < MOST, "an evaluation after which many have left took {took:?}");
    println!("{} of {PATIENTS} patients in {fastest:?}", first.member_count);
}

/// Collects the kinds of all nodes of a plan.
fn nodes(plan: &Value, found: &mut Vec<String>) {
    found.push(plan["Node Type"].as_str().unwrap_or_default().to_owned());
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| nodes(child, found));
}

#[tokio::test]
async fn an_evaluation_joins_nothing_and_reads_by_indexes_whatever_statistics_say() {
    let app = CoreApp::builder().proxied().start().await;
    let admin = app.admin();
    let (weight, smokes, form, segment) = named(&app).await;
    let preview: PreviewSegment = body(json!({ "rule": rule(weight, smokes, form, segment) }));
    app.proxy().listen();
    granted(admin.segment_preview().body(preview).send().await, 200);
    let trips = app.proxy().said().0.into_iter().filter(|trip| trip.user == Kind::Core.app());
    let judging = trips.flat_map(|trip| trip.statements).find(|statement| statement.sql.contains("judged"));
    let judging = judging.expect("the statement was sent");
    for (number, forget) in [false, true].into_iter().enumerate() {
        if forget {
            // As if every table were empty.
            let sql = "select pg_clear_relation_stats(n.nspname::text, c.relname::text)
                       from pg_class c join pg_namespace n on n.oid = c.relnamespace
                       where n.nspname = 'public' and c.relkind = 'r'";
            app.owner().await.execute(sql).await.unwrap();
        }
        let mut database = app.database.app().await;
        database.execute("set enable_seqscan = off; set enable_bitmapscan = off").await.unwrap();
        let name = format!("judging_{number}");
        let literals = prepare(&mut database, &name, &judging).await;
        let shown = plan(&mut database, "force_generic_plan", &format!("{name}({literals})")).await;
        let mut kinds = Vec::new();
        nodes(&shown, &mut kinds);
        let bad = ["Seq Scan", "Nested Loop", "Hash Join", "Merge Join"];
        assert!(!kinds.iter().any(|kind| bad.contains(&kind.as_str())), "{kinds:?}\n{shown:#}");
    }
}
