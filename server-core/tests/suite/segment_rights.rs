//! Rights on segments: what a role can't read, it can't segment by. Erasures and exports of persons reach memberships.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use serde_json::json;
use test_support::{Actor, ClerkApi, CoreApp, eventually, granted, in_days, refused};

use crate::{
    custom_field::{field, field_of},
    gdpr::{clinic, finished},
    profile::{Of, set},
    segment::{attribute, create, evaluate, evaluated, everybody, get, members, of_field, patients, rewrite},
    segment_evaluate::settled,
};

/// Returns the segments that a caller sees.
async fn listed(actor: &Actor) -> BTreeSet<i64> {
    granted(actor.segment_list().page_size(100).send().await, 200).data.iter().map(|segment| segment.id).collect()
}

#[tokio::test]
async fn a_segment_is_only_for_roles_that_read_what_its_rule_reads() {
    let app = CoreApp::start().await;
    let (admin, staff, specialist) = (app.admin(), app.staff(), app.specialist());
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await;
    let roles: (&[&str], &[&str]) = (&["admin", "specialist"], &["admin"]);
    let risk = field_of(&admin, "patient", "risk", json!({ "field_type": "boolean" }), roles).await;
    let open = field(&admin, "patient", "open", json!({ "field_type": "boolean" })).await;
    set(&admin, Of::Patient(patient), 0, json!({ "risk": true, "open": true })).await;
    let of_all = evaluated(&admin, of_field(open.id, "equals", json!(true))).await;
    let risky = evaluated(&admin, of_field(risk.id, "equals", json!(true))).await;
    let nested = json!({ "op": "or", "rules": [{ "op": "is_member", "segment_id": risky }] });
    let reading = evaluated(&admin, nested).await;
    let visits = json!({ "op": "greater", "appointments": { "measure": "count" }, "value": 0 });
    let visiting = evaluated(&admin, visits).await;
    assert_eq!(listed(&admin).await, BTreeSet::from([of_all, risky, reading, visiting]));
    assert_eq!(listed(&staff).await, BTreeSet::from([of_all, visiting]));
    assert_eq!(listed(&specialist).await, BTreeSet::from([of_all, risky, reading]));
    for (actor, hidden) in [(&staff, risky), (&staff, reading), (&specialist, visiting)] {
        let not_found = "segment_not_found";
        refused(actor.segment_get().segment_id(hidden).send().await, 404, not_found);
        refused(actor.segment_member_list().segment_id(hidden).send().await, 404, not_found);
        refused(actor.segment_history_list().segment_id(hidden).send().await, 404, not_found);
        refused(actor.segment_evaluate().segment_id(hidden).send().await, 404, not_found);
        refused(actor.segment_explain().segment_id(hidden).patient_id(patient).send().await, 404, not_found);
    }
    for (actor, expected) in
        [(&staff, [of_all, visiting].as_slice()), (&specialist, [of_all, risky, reading].as_slice())]
    {
        let of_patient = actor.patient_segment_list().patient_id(patient).send().await;
        let seen: Vec<_> = granted(of_patient, 200).data.iter().map(|segment| segment.segment_id).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn what_a_former_rule_has_found_stays_hidden() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let roles: (&[&str], &[&str]) = (&["admin"], &["admin"]);
    let risk = field_of(&admin, "patient", "risk", json!({ "field_type": "boolean" }), roles).await;
    let [risky, other] = patients(&app, ["Risky", "Other"]).await;
    set(&admin, Of::Patient(risky), 0, json!({ "risk": true })).await;
    let id = evaluated(&admin, of_field(risk.id, "equals", json!(true))).await;
    granted(rewrite(&admin, &get(&admin, id).await, everybody()).await, 200);
    evaluate(&admin, id).await;
    let history = async |actor: &Actor| {
        let page = granted(actor.segment_history_list().segment_id(id).send().await, 200);
        page.data.iter().map(|entry| entry.patient_id).collect::<Vec<_>>()
    };
    assert_eq!(history(&admin).await, [other, risky]);
    assert_eq!(history(&staff).await, [other], "the other one came by a rule on what the front desk does not read");
    assert_eq!(members(&staff, id).await, BTreeSet::from([risky, other]));
    let since = async |actor: &Actor| {
        let page = granted(actor.segment_member_list().segment_id(id).send().await, 200);
        page.data.iter().map(|member| member.joined_at).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((since(&admin).await, since(&staff).await), (2, 1), "nor does the time tell who came before");
    settled(&app).await;
    // The state until the new rule is evaluated.
    let sql = "update segments set evaluated_rule_version = 1";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    refused(staff.segment_get().segment_id(id).send().await, 404, "segment_not_found");
    assert_eq!(listed(&staff).await, BTreeSet::new());

    let nobody_less = json!({ "op": "not", "rules": [attribute("has_login", true)] });
    granted(rewrite(&admin, &get(&admin, id).await, nobody_less).await, 200);
    evaluate(&admin, id).await;
    assert_eq!(history(&staff).await, [other], "the rule reads nothing less than the one before");
}

#[tokio::test]
async fn specialists_see_the_members_whom_they_treat_and_no_counts() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let [own, other] = patients(&app, ["Own", "Other"]).await;
    app.appointment_create(&admin, app.home().specialist_id, own, in_days(2, 9)).await;
    let id = evaluated(&admin, everybody()).await;
    assert_eq!(members(&admin, id).await, BTreeSet::from([own, other]));
    assert_eq!(members(&specialist, id).await, BTreeSet::from([own]));
    let history = granted(specialist.segment_history_list().segment_id(id).send().await, 200).data;
    assert_eq!(history.iter().map(|entry| entry.patient_id).collect::<Vec<_>>(), [own]);
    let seen = get(&specialist, id).await;
    assert_eq!((seen.member_count, seen.missing_count), (None, None));
    assert!(evaluate(&specialist, id).await.changes.is_none());
    assert_eq!(get(&app.staff(), id).await.member_count, Some(2));
    let explain = specialist.segment_explain().segment_id(id).patient_id(other).send().await;
    refused(explain, 404, "patient_not_found");
    refused(specialist.patient_segment_list().patient_id(other).send().await, 404, "patient_not_found");
    let explained = granted(specialist.segment_explain().segment_id(id).patient_id(own).send().await, 200);
    assert!(explained.member);
}

#[tokio::test]
async fn members_that_are_shown_are_in_the_trail() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let shown = patients(&app, ["First", "Second"]).await;
    let id = evaluated(&admin, everybody()).await;
    let read = "select count(*) from audit_log
                where operation_id = 'segment_member_list' and action = 'read' and entity_type = 'patient'";
    assert_eq!(members(&admin, id).await, BTreeSet::from(shown));
    assert_eq!(app.count(read).await, 2);
}

#[tokio::test]
async fn an_erasure_and_an_export_reach_memberships_and_history() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let [kept, erased] = patients(app, ["Kept", "Erased"]).await;
    let id = evaluated(&admin, everybody()).await;
    let mut stream = granted(admin.gdpr_patient_export().patient_id(erased).send().await, 200).into_inner();
    let mut document = Vec::new();
    while let Some(chunk) = stream.next().await {
        document.extend_from_slice(&chunk.unwrap());
    }
    let document = String::from_utf8(document).unwrap();
    assert!(document.contains("segment_members") && document.contains("segment_history"), "{document}");

    let asked = granted(admin.gdpr_patient_erase().patient_id(erased).send().await, 202);
    finished(&admin, asked.job_id).await;
    let left = "select (select count(*) from segment_members) + (select count(*) from segment_history)";
    assert_eq!(app.count(left).await, 2, "those of the other patient");
    evaluate(&admin, id).await;
    assert_eq!(members(&admin, id).await, BTreeSet::from([kept]));
    let of_erased = admin.segment_history_list().segment_id(id).patient_id(erased).send().await;
    assert_eq!(granted(of_erased, 200).data, [], "an evaluation does not bring the patient back");
}

#[tokio::test]
async fn an_erasure_waits_for_an_evaluation_that_has_begun() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let [erased] = patients(app, ["Erased"]).await;
    let id = create(&admin, everybody()).await.id;
    evaluate(&admin, id).await;
    let mut evaluating = app.owner().await;
    let begin = "begin; select id from segments for no key update";
    sqlx::raw_sql(begin).execute(&mut evaluating).await.unwrap();
    let asked = granted(admin.gdpr_patient_erase().patient_id(erased).send().await, 202);
    let waiting = "select count(*) from pg_stat_activity
                   where wait_event_type = 'Lock' and datname = current_database()";
    eventually("the erasure waits", CoreApp::PATIENCE, || async {
        let mut superuser = app.database.superuser().await;
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut superuser).await.unwrap() > 0
    })
    .await;
    sqlx::raw_sql("commit").execute(&mut evaluating).await.unwrap();
    finished(&admin, asked.job_id).await;
    assert_eq!(app.count("select count(*) from segment_members").await, 0);
}
