//! Evaluations of segments: who joins and leaves, when, and what happens if a rule can't be evaluated.

use std::{collections::BTreeSet, time::Duration};

use restartix_sdk::core::types::{Segment, SegmentChange, SegmentResult, SegmentState, VoidForm};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, eventually, granted, in_days, until};

use crate::{
    custom_field::{field, update},
    form::{saved, submitted},
    form_submit::{asked, filled, template},
    patient_merge::merge,
    profile::{Of, set},
    segment::{attribute, create, evaluate, evaluated, everybody, get, members, of_field, patients, rewrite},
    waitlist::now,
};

/// Longest time until a segment is evaluated after a change.
const FRESH: Duration = Duration::from_mins(1);

/// Returns the changes of a segment, the latest first.
async fn history(admin: &Actor, id: i64) -> Vec<(i64, SegmentChange)> {
    let page = granted(admin.segment_history_list().segment_id(id).page_size(100).send().await, 200);
    page.data.iter().map(|entry| (entry.patient_id, entry.kind)).collect()
}

/// Waits until the members are these.
async fn become_members(admin: &Actor, id: i64, expected: &[i64]) {
    let expected: BTreeSet<i64> = expected.iter().copied().collect();
    eventually(format!("the members are {expected:?}"), FRESH, || async { members(admin, id).await == expected }).await;
}

/// Waits until no job of segments is open, and no sweep under way, which may enqueue one.
pub(crate) async fn settled(app: &CoreApp) {
    let open = "select count(*) from jobs
                where kind in ('segments_follow', 'segment_evaluate') and state in ('queued', 'running')
                   or kind = 'segments_sweep' and state = 'running'";
    eventually("segments are fresh", FRESH, || async { app.count(open).await == 0 }).await;
}

/// Waits until a segment is invalid.
async fn invalid(admin: &Actor, id: i64) -> Segment {
    until("the segment is invalid", FRESH, || async {
        Some(get(admin, id).await).filter(|segment| segment.state == SegmentState::Invalid)
    })
    .await
    .0
}

#[tokio::test]
async fn who_came_and_went_is_answered_and_kept() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer" })).await;
    let [light, heavy, _none] = patients(&app, ["Light", "Heavy", "None"]).await;
    set(&admin, Of::Patient(light), 0, json!({ "weight": 0 })).await;
    set(&admin, Of::Patient(heavy), 0, json!({ "weight": 90 })).await;
    let id = create(&admin, of_field(weight.id, "less", json!(70))).await.id;
    settled(&app).await;
    assert_eq!(members(&admin, id).await, BTreeSet::from([light]), "0 is a value, and a job evaluates a new rule");
    set(&admin, Of::Patient(light), 1, json!({ "weight": 80 })).await;
    set(&admin, Of::Patient(heavy), 1, json!({ "weight": 60 })).await;
    settled(&app).await;
    let evaluation = evaluate(&admin, id).await;
    let seen = history(&admin, id).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen[..2].contains(&(heavy, SegmentChange::Joined)) && seen[..2].contains(&(light, SegmentChange::Left)));
    assert_eq!(seen[2], (light, SegmentChange::Joined));
    let changes = evaluation.changes.unwrap();
    assert_eq!((changes.member_count, changes.missing_count), (1, 1));
    let of_one = admin.segment_history_list().segment_id(id).patient_id(light).send().await;
    assert_eq!(granted(of_one, 200).data.len(), 2);
    let again = evaluate(&admin, id).await.changes.unwrap();
    assert_eq!((again.joined_count, again.left_count), (0, 0));
    assert_eq!(history(&admin, id).await.len(), 3, "nothing happened");
}

#[tokio::test]
async fn a_change_is_noticed_within_a_minute_and_by_nothing_else() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let habit = field(&admin, "patient", "smokes", json!({ "field_type": "boolean" })).await;
    let form = template(&admin, &[asked("hours", "integer", false)], &[]).await;
    let [first] = patients(&app, ["First"]).await;
    let booked = |op: &str, count: i64| json!({ "op": op, "appointments": { "measure": "count" }, "value": count });
    let of_form = json!({ "op": "greater", "form": { "form_template_id": form.id, "key": "hours" }, "value": 3 });
    let everyone = evaluated(&admin, everybody()).await;
    let smokers = evaluated(&admin, of_field(habit.id, "equals", json!(true))).await;
    let visitors = evaluated(&admin, booked("greater", 0)).await;
    let busy = evaluated(&admin, of_form).await;
    let quiet =
        evaluated(&admin, json!({ "op": "not", "rules": [{ "op": "is_member", "segment_id": visitors }] })).await;
    assert_eq!(members(&admin, quiet).await, BTreeSet::from([first]));

    let second = app.patient_create(&staff, "Ann", "Second").await.id;
    set(&staff, Of::Patient(second), 0, json!({ "smokes": true })).await;
    app.appointment_create(&staff, app.home().specialist_id, first, in_days(2, 9)).await;
    let answered = filled(&staff, &form, first, json!({ "hours": 4 })).await;
    become_members(&admin, everyone, &[first, second]).await;
    become_members(&admin, smokers, &[second]).await;
    become_members(&admin, visitors, &[first]).await;
    become_members(&admin, busy, &[first]).await;
    // It reads another segment, which is evaluated before or after.
    become_members(&admin, quiet, &[second]).await;

    saved(&staff, &answered, json!({ "hours": 5 })).await;
    become_members(&admin, busy, &[]).await;
    granted(admin.patient_delete().patient_id(second).send().await, 204);
    become_members(&admin, everyone, &[first]).await;
}

#[tokio::test]
async fn clinics_without_segments_have_no_jobs_for_them() {
    let app = CoreApp::start().await;
    let (admin, jobs) = (app.admin(), "select count(*) from jobs where kind = 'segments_follow'");
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    app.appointment_create(&admin, app.home().specialist_id, patient, in_days(2, 9)).await;
    assert_eq!(app.count(jobs).await, 0);
    create(&admin, attribute("has_email", true)).await;
    app.appointment_create(&admin, app.home().specialist_id, patient, in_days(3, 9)).await;
    assert_eq!(app.count(jobs).await, 0, "no rule reads appointments");
    app.patient_create(&admin, "Ann", "Other").await;
    assert_eq!(app.count(jobs).await, 1);
}

#[tokio::test]
async fn segments_are_evaluated_once_after_midnight() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let id = evaluated(&admin, everybody()).await;
    evaluate(&admin, id).await;
    let due = "select count(*) from segments s join organizations o on o.id = s.organization_id
               where s.due_at = (((now() at time zone o.timezone)::date + 1)::timestamp at time zone o.timezone)";
    assert_eq!(app.count(due).await, 1, "the next local midnight");
    let sql = "update segments set due_at = now() - interval '1 second', evaluated_at = now() - interval '1 day'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    let trail = "select count(*) from audit_log where entity_type = 'segment' and action = 'evaluated'";
    let before = app.count(trail).await;
    now(&app, "segments_sweep").await;
    settled(&app).await;
    assert_eq!(app.count("select count(*) from segments where evaluated_at > now() - interval '1 minute'").await, 1);
    assert_eq!(app.count(due).await, 1);
    assert_eq!(app.count(trail).await, before, "nothing has changed, so the trail says nothing");
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_any_more_is_invalid_and_the_others_go_on() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer", "unit": "kg" })).await;
    let [first] = patients(&app, ["First"]).await;
    set(&admin, Of::Patient(first), 0, json!({ "weight": 60 })).await;
    let segment = create(&admin, json!({ "op": "and", "rules": [of_field(weight.id, "less", json!(70))] })).await;
    let reader = create(&admin, json!({ "op": "is_member", "segment_id": segment.id })).await.id;
    let other = evaluated(&admin, everybody()).await;
    become_members(&admin, reader, &[first]).await;
    assert_eq!(segment.rule.rules[0].custom_field.as_ref().unwrap().version, Some(1), "the rule has its version");

    update(&admin, &weight, json!({ "unit": "lb" })).await;
    let now_invalid = invalid(&admin, segment.id).await;
    let faults: Vec<_> = now_invalid.faults.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect();
    assert_eq!(faults, [("/rule/rules/0/custom_field/version", "type_changed")]);
    assert_eq!(members(&admin, segment.id).await, BTreeSet::from([first]), "as they were");
    let reading = invalid(&admin, reader).await;
    assert_eq!(reading.faults[0].rule, "invalid_segment");
    let answer = evaluate(&admin, segment.id).await;
    assert_eq!((answer.state, answer.changes.is_none()), (SegmentState::Invalid, true));
    let second = app.patient_create(&admin, "Ann", "Second").await.id;
    become_members(&admin, other, &[first, second]).await;

    let pounds = of_field(weight.id, "less", json!(150));
    let corrected = granted(rewrite(&admin, &get(&admin, segment.id).await, pounds).await, 200);
    assert_eq!((corrected.state, corrected.faults.len()), (SegmentState::Valid, 0));
    become_members(&admin, segment.id, &[]).await;
    become_members(&admin, reader, &[]).await;
    assert_eq!(get(&admin, reader).await.state, SegmentState::Valid);
}

#[tokio::test]
async fn an_invalid_segment_is_told_once_and_readers_hear_when_it_is_valid_again() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer", "unit": "kg" })).await;
    let segment = evaluated(&admin, of_field(weight.id, "less", json!(70))).await;
    let reader = evaluated(&admin, json!({ "op": "is_member", "segment_id": segment })).await;
    let in_pounds = update(&admin, &weight, json!({ "unit": "lb" })).await;
    invalid(&admin, segment).await;
    invalid(&admin, reader).await;
    settled(&app).await;
    let trail = "select count(*) from audit_log where entity_type = 'segment' and action = 'invalidated'";
    let told = app.count(trail).await;
    let sql = "update segments set due_at = now() - interval '1 second'";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    now(&app, "segments_sweep").await;
    let deferred = "select count(*) from segments where state = 'invalid' and due_at > now()";
    eventually("they were tried again", FRESH, || async { app.count(deferred).await == 2 }).await;
    assert_eq!(app.count(trail).await, told, "nothing is new");

    update(&admin, &in_pounds, json!({ "unit": "kg" })).await;
    let valid = "select count(*) from segments where state = 'valid'";
    eventually("both are valid again", FRESH, || async { app.count(valid).await == 2 }).await;
}

#[tokio::test]
async fn a_segment_whose_evaluation_has_failed_is_not_tried_again_at_each_change() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let id = evaluated(&admin, everybody()).await;
    let other = evaluated(&admin, everybody()).await;
    settled(&app).await;
    // The state in which a job leaves a segment whose statement was stopped.
    let failed = json!([{ "pointer": "/rule", "rule": "too_slow", "message": "takes longer than 25 seconds" }]);
    let sql = "update segments set state = 'invalid', faults = $2, due_at = now() + interval '1 hour' where id = $1";
    sqlx::query(sql).bind(id).bind(failed).execute(&mut app.owner().await).await.unwrap();
    let [patient] = patients(&app, ["First"]).await;
    become_members(&admin, other, &[patient]).await;
    settled(&app).await;
    assert_eq!(members(&admin, id).await, BTreeSet::new());
    assert_eq!(get(&admin, id).await.state, SegmentState::Invalid);
    assert_eq!(evaluate(&admin, id).await.changes.unwrap().joined_count, 1, "on request it is");
    assert_eq!(get(&admin, id).await.state, SegmentState::Valid);
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_stuck() {
    let mut app = CoreApp::start().await;
    let admin = app.admin();
    let [patient] = patients(&app, ["First"]).await;
    let id = create(&admin, everybody()).await.id;
    settled(&app).await;
    app.server.kill();
    // The state in which a process leaves the job if it is killed during the evaluation.
    let sql = "update segments set due_at = now(), evaluated_at = null, evaluated_rule_version = null";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    let sql = "delete from segment_members";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    let sql = "insert into jobs (id, organization_id, kind, payload, key, state, attempts, lease, leased_until)
               select gen_random_uuid(), organization_id, 'segment_evaluate', jsonb_build_object('segment_id', id),
                      'segment:' || id, 'running', 1, gen_random_uuid(), clock_timestamp() + interval '2 seconds'
               from segments";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    app.server.start().await;
    become_members(&app.admin(), id, &[patient]).await;
    assert!(get(&app.admin(), id).await.evaluated_at.is_some());
}

#[tokio::test]
async fn the_latest_form_counts_whoever_it_was_made_for() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let form = template(&admin, &[asked("hours", "integer", false), asked("note", "text", false)], &[]).await;
    let [patient] = patients(&app, ["First"]).await;
    let id = evaluated(
        &admin,
        json!({
            "op": "greater", "form": { "form_template_id": form.id, "key": "hours" }, "value": 3,
        }),
    )
    .await;
    let found = async || {
        let changes = evaluate(&admin, id).await.changes.unwrap();
        (changes.member_count, changes.missing_count)
    };
    assert_eq!(found().await, (0, 1));
    filled(&staff, &form, patient, json!({ "hours": 4 })).await;
    assert_eq!(found().await, (1, 0));
    let lacking = filled(&staff, &form, patient, json!({ "note": "no hours" })).await;
    assert_eq!(found().await, (0, 1), "an earlier answer does not stand for the missing one");
    let body = VoidForm { reason: "By mistake.".to_owned(), version: lacking.version };
    granted(admin.form_void().form_id(lacking.id).body(body).send().await, 200);
    assert_eq!(found().await, (1, 0), "a void form does not count");
    let reopened = filled(&staff, &form, patient, json!({ "hours": 1 })).await;
    assert_eq!(found().await, (0, 0));
    let reopened = saved(&staff, &reopened, json!({ "hours": 9 })).await;
    assert_eq!(found().await, (1, 0), "a draft does not count");
    submitted(&staff, &reopened).await;
    assert_eq!(found().await, (1, 0));

    let survivor = app.patient_create(&admin, "Ann", "Survivor").await;
    let merged = granted(admin.patient_get().patient_id(patient).send().await, 200);
    merge(&admin, &survivor, &merged).await;
    assert_eq!(found().await, (1, 0));
    assert_eq!(members(&admin, id).await, BTreeSet::from([survivor.id]));
    let explained = admin.segment_explain().segment_id(id).patient_id(survivor.id).send().await;
    assert_eq!(granted(explained, 200).result, SegmentResult::True);
}

#[tokio::test]
async fn appointments_are_counted_and_the_last_and_next_one_told_apart() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let talk = app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await.id;
    let [past, next, never] = patients(&app, ["Past", "Next", "Never"]).await;
    let done = app.appointment_create(&admin, specialist, past, in_days(2, 9)).await.id;
    let missed = app.appointment_create(&admin, specialist, past, in_days(2, 11)).await.id;
    app.appointment_create(&admin, specialist, next, in_days(3, 9)).await;
    let moved = |days: i32, status: &str, id: i64| {
        format!(
            "update appointments set status = '{status}', started_at = now() - interval '{days} days',
                    ended_at = now() - interval '{days} days' + interval '30 minutes',
                    block = tstzrange(now() - interval '{days} days',
                                      now() - interval '{days} days' + interval '30 minutes'),
                    appointment_template_id = {talk}
             where id = {id}"
        )
    };
    for sql in [moved(40, "completed", done), moved(5, "no_show", missed)] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
    }
    let of = |measure: &str, op: &str, value: Value| {
        let subject = json!({ "measure": measure });
        json!({ "op": op, "appointments": subject, "value": value })
    };
    let all = ["completed", "no_show", "cancelled", "scheduled", "confirmed", "in_progress"];
    let cases = [
        ("none", of("count", "equals", json!(0)), vec![never]),
        ("long ago", of("last_at", "less", json!("today-30d")), vec![past]),
        ("lately", of("last_at", "greater", json!("today-30d")), vec![]),
        ("this week", of("next_at", "less_or_equal", json!("today+1w")), vec![next]),
        ("nothing ahead", json!({ "op": "is_missing", "appointments": { "measure": "next_at" } }), vec![past, never]),
        (
            "missed",
            json!({ "op": "equals", "value": "no_show",
            "appointments": { "measure": "last_status", "statuses": all } }),
            vec![past],
        ),
        ("talked", of("last_template", "equals", json!(talk)), vec![past]),
        (
            "talks",
            json!({ "op": "greater", "value": 1, "appointments": {
            "measure": "count", "statuses": all, "appointment_template_ids": [talk] } }),
            vec![past],
        ),
        (
            "talks of a month",
            json!({ "op": "equals", "value": 1, "appointments": {
            "measure": "count", "statuses": all, "from": "today-30d", "to": "today" } }),
            vec![past],
        ),
        (
            "no template",
            json!({ "op": "is_missing", "appointments": { "measure": "next_template" } }),
            vec![past, next, never],
        ),
    ];
    for (name, rule, expected) in cases {
        let id = evaluated(&admin, rule).await;
        assert_eq!(members(&admin, id).await, expected.into_iter().collect(), "{name}");
    }
}

#[tokio::test]
async fn an_explanation_names_what_fails_and_how_old_it_is() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let smokes = field(&admin, "patient", "smokes", json!({ "field_type": "boolean" })).await;
    let [patient] = patients(&app, ["First"]).await;
    let rule = json!({ "op": "and", "rules": [
        attribute("has_login", false),
        { "op": "or", "rules": [of_field(smokes.id, "equals", json!(true)), attribute("has_email", true)] },
    ] });
    let id = evaluated(&admin, rule).await;
    let explain = async || granted(admin.segment_explain().segment_id(id).patient_id(patient).send().await, 200);
    let explained = explain().await;
    assert!(!explained.member && explained.joined_at.is_none());
    assert_eq!(explained.result, SegmentResult::Missing);
    assert_eq!(explained.failing, ["/rule/rules/1/rules/0", "/rule/rules/1/rules/1"]);
    let results: Vec<_> = explained.rules.iter().map(|rule| (rule.pointer.as_str(), rule.result)).collect();
    assert_eq!(
        results,
        [
            ("/rule", SegmentResult::Missing),
            ("/rule/rules/0", SegmentResult::True),
            ("/rule/rules/1", SegmentResult::Missing),
            ("/rule/rules/1/rules/0", SegmentResult::Missing),
            ("/rule/rules/1/rules/1", SegmentResult::False),
        ]
    );
    assert!(explained.evaluated_seconds_ago.is_some_and(|age| (0..60).contains(&age)));
    set(&admin, Of::Patient(patient), 0, json!({ "smokes": true })).await;
    let explained = explain().await;
    assert_eq!((explained.result, explained.failing.len()), (SegmentResult::True, 0));
    become_members(&admin, id, &[patient]).await;
    assert!(explain().await.member);
}
