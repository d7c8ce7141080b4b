//! Evaluations of a segment over 100,000 patients, of whom many come, stay or go: `cargo xtask bench --segments`
//! measures their time.

use restartix_sdk::core::types::SegmentChanges;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use test_support::{Actor, CoreApp};

use crate::{
    custom_field::field,
    form_submit::{asked, template},
    segment::{create, evaluate, evaluated},
    segment_evaluate::settled,
};

const PATIENTS: i64 = 100_000;

/// Rule of five conditions on different subjects, nested.
pub(crate) fn rule(weight: i64, smokes: i64, form: i64, segment: i64) -> Value {
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
pub(crate) async fn named(app: &CoreApp) -> (i64, i64, i64, i64) {
    let admin = app.admin();
    app.patient_create(&admin, "Ann", "First").await;
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer" })).await.id;
    let smokes = field(&admin, "patient", "smokes", json!({ "field_type": "boolean" })).await.id;
    let form = template(&admin, &[asked("hours", "integer", false)], &[]).await.id;
    let email = json!({ "op": "equals", "attribute": "has_email", "value": true });
    (weight, smokes, form, evaluated(&admin, email).await)
}

/// Waits until no job evaluates a segment, and sees to it that none does for hours, so that members change by requests
/// alone.
async fn unattended(app: &CoreApp) {
    settled(app).await;
    let sql = "update segments set due_at = now() + interval '1 day'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    // A sweep may have found them due before.
    settled(app).await;
}

/// Evaluates a segment; returns who came and went.
async fn changes(admin: &Actor, id: i64) -> SegmentChanges {
    evaluate(admin, id).await.changes.expect("an administrator sees them")
}

/// Counts what a query about a segment finds.
async fn count(app: &CoreApp, sql: &'static str, id: i64) -> i64 {
    sqlx::query_scalar(sql).bind(id).fetch_one(&mut app.owner().await).await.unwrap()
}

#[tokio::test]
async fn of_a_hundred_thousand_patients_many_come_stay_and_go() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (weight, smokes, form, segment) = named(&app).await;
    fill(&app, PATIENTS, (weight, smokes, form)).await;
    app.database.vacuum(&["patients", "appointments", "profile_values", "forms", "form_answers"]).await;
    let id = create(&admin, rule(weight, smokes, form, segment)).await.id;
    unattended(&app).await;
    // Everybody has two appointments, so that only those count who were away.
    let matching = "select count(*)
                    from patients p
                    join organizations o on o.id = p.organization_id
                    join (select patient_id, max(started_at) as at from appointments group by patient_id) a
                        on a.patient_id = p.id
                    where p.organization_id = (select organization_id from segments where id = $1)
                      and p.id % 100 > 20 and p.id % 4 <> 0
                      and a.at < ((now() at time zone o.timezone)::date - 30)::timestamp at time zone o.timezone";
    let expected = count(&app, matching, id).await;
    assert!(expected > PATIENTS / 10 && expected < PATIENTS / 2, "{expected}");
    let stayed = changes(&admin, id).await;
    let counts = |found: &SegmentChanges| (found.member_count, found.joined_count, found.left_count);
    assert_eq!(counts(&stayed), (expected, 0, 0), "the job has evaluated it before");

    unattended(&app).await;
    let sql = "delete from segment_members where segment_id = $1";
    sqlx::query(sql).bind(id).execute(&mut app.owner().await).await.unwrap();
    let joined = changes(&admin, id).await;
    assert_eq!(counts(&joined), (expected, expected, 0));
    assert_eq!(joined.joined.len(), 100, "the first ones are named");

    unattended(&app).await;
    let sql = "insert into segment_members (organization_id, segment_id, patient_id, joined_at)
               select organization_id, $1, id, now() from patients where organization_id = $2
               on conflict do nothing";
    let added = sqlx::query(sql).bind(id).bind(app.home().id).execute(&mut app.owner().await).await.unwrap();
    let added = i64::try_from(added.rows_affected()).unwrap();
    assert!(added > PATIENTS / 2, "{added}");
    let left = changes(&admin, id).await;
    assert_eq!(counts(&left), (expected, 0, added));
    assert_eq!(left.left.len(), 100, "the first ones are named");
    assert_eq!(count(&app, "select count(*) from segment_members where segment_id = $1", id).await, expected);
    let told = "select count(*) from segment_history where segment_id = $1 and kind = 'left'";
    assert_eq!(count(&app, told, id).await, added);
}
