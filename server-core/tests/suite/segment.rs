//! `/v1/segments`: rules, and the patients for whom they are true.

use std::collections::BTreeSet;

use restartix_sdk::{
    Error, ResponseValue,
    core::{
        Client,
        types::{ErrorEnvelope, PreviewSegment, Segment, SegmentEvaluation, SegmentInput, SegmentState, UpdateSegment},
    },
};
use serde_json::{Value, json};
use test_support::{Actor, CoreApp, granted, refused};
use uuid::Uuid;

use crate::{
    custom_field::field,
    form_submit::{asked, body, template},
    profile::{Of, set},
};

/// Returns a rule that is true for everybody.
pub(crate) fn everybody() -> Value {
    json!({ "op": "or", "rules": [attribute("has_login", true), attribute("has_login", false)] })
}

/// Returns a rule on an attribute.
pub(crate) fn attribute(name: &str, value: bool) -> Value {
    json!({ "op": "equals", "attribute": name, "value": value })
}

/// Returns a rule on a custom field.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) fn of_field(id: i64, op: &str, value: Value) -> Value {
    json!({ "op": op, "custom_field": { "custom_field_id": id }, "value": value })
}

/// Returns the body of a segment.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
pub(crate) fn input(name: &str, rule: Value) -> SegmentInput {
    body(json!({ "name": name, "rule": rule }))
}

type Answered = Result<ResponseValue<Segment>, Error<ErrorEnvelope>>;

/// Asks for a segment of any name.
pub(crate) async fn creating(client: &Client, rule: Value) -> Answered {
    client.segment_create().body(input(&format!("Segment {}", Uuid::new_v4()), rule)).send().await
}

/// Creates a segment of any name.
pub(crate) async fn create(client: &Client, rule: Value) -> Segment {
    granted(creating(client, rule).await, 201)
}

/// Replaces the rule of a segment.
pub(crate) async fn rewrite(client: &Client, segment: &Segment, rule: Value) -> Answered {
    let change: UpdateSegment = body(json!({ "version": segment.version, "name": segment.name, "rule": rule }));
    client.segment_update().segment_id(segment.id).body(change).send().await
}

/// Reads a segment.
pub(crate) async fn get(client: &Client, id: i64) -> Segment {
    granted(client.segment_get().segment_id(id).send().await, 200)
}

/// Evaluates a segment.
pub(crate) async fn evaluate(client: &Client, id: i64) -> SegmentEvaluation {
    granted(client.segment_evaluate().segment_id(id).send().await, 200)
}

/// Creates a segment of any name and evaluates it; returns its id.
pub(crate) async fn evaluated(client: &Client, rule: Value) -> i64 {
    let id = create(client, rule).await.id;
    evaluate(client, id).await;
    id
}

/// Returns the members whom a caller sees.
pub(crate) async fn members(client: &Client, id: i64) -> BTreeSet<i64> {
    let page = granted(client.segment_member_list().segment_id(id).page_size(100).send().await, 200);
    page.data.iter().map(|member| member.patient_id).collect()
}

/// Creates patients of these last names; returns their ids.
pub(crate) async fn patients<const N: usize>(app: &CoreApp, names: [&str; N]) -> [i64; N] {
    let mut ids = [0; N];
    for (id, name) in ids.iter_mut().zip(names) {
        *id = app.patient_create(&app.admin(), "Ann", name).await.id;
    }
    ids
}

/// Gives a segment rows in every table: a member, an entry of the history, and what its rule names.
pub(crate) async fn rows_add(admin: &Actor) -> i64 {
    let read = evaluated(admin, everybody()).await;
    let noted = field(admin, "patient", &format!("noted_{}", Uuid::new_v4().simple()), json!({})).await;
    let rule = json!({ "op": "and", "rules": [
        { "op": "is_member", "segment_id": read },
        { "op": "is_missing", "custom_field": { "custom_field_id": noted.id } },
    ] });
    evaluated(admin, rule).await
}

#[tokio::test]
async fn admins_write_rules_and_the_clinics_people_read_them() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    app.patient_create(&admin, "Ann", "Lee").await;
    let segment = create(&admin, everybody()).await;
    assert_eq!((segment.version, segment.rule_version, segment.state), (1, 1, SegmentState::Valid));
    let evaluation = evaluate(&app.staff(), segment.id).await;
    let changes = evaluation.changes.expect("the front desk sees every patient");
    // The job may have been the first to evaluate it.
    assert_eq!((changes.member_count, changes.left_count), (1, 0));
    for actor in [app.admin(), app.specialist(), app.staff()] {
        assert_eq!(get(&actor, segment.id).await.evaluated_rule_version, Some(1));
        let listed = granted(actor.segment_list().send().await, 200).data;
        assert_eq!(listed.iter().map(|segment| segment.id).collect::<Vec<_>>(), [segment.id]);
        evaluate(&actor, segment.id).await;
    }
    for actor in [app.specialist(), app.staff(), app.patient()] {
        refused(creating(&actor, everybody()).await, 403, "permission_denied");
        refused(rewrite(&actor, &segment, everybody()).await, 403, "permission_denied");
        refused(actor.segment_delete().segment_id(segment.id).send().await, 403, "permission_denied");
        let preview: PreviewSegment = body(json!({ "rule": everybody() }));
        refused(actor.segment_preview().body(preview).send().await, 403, "permission_denied");
    }
    let patient = app.patient();
    refused(patient.segment_list().send().await, 403, "permission_denied");
    refused(patient.segment_evaluate().segment_id(segment.id).send().await, 403, "permission_denied");
}

#[tokio::test]
async fn another_clinics_segments_are_not_there() {
    let app = CoreApp::start().await;
    let theirs = create(&app.other_admin(), everybody()).await;
    let (admin, not_found) = (app.admin(), "segment_not_found");
    refused(admin.segment_get().segment_id(theirs.id).send().await, 404, not_found);
    refused(admin.segment_member_list().segment_id(theirs.id).send().await, 404, not_found);
    refused(admin.segment_history_list().segment_id(theirs.id).send().await, 404, not_found);
    refused(admin.segment_evaluate().segment_id(theirs.id).send().await, 404, not_found);
    refused(rewrite(&admin, &theirs, everybody()).await, 404, not_found);
    refused(admin.segment_delete().segment_id(theirs.id).send().await, 404, not_found);
    let rule = json!({ "op": "is_member", "segment_id": theirs.id });
    let refusal = refused(creating(&admin, rule).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/rule/segment_id", "unknown_reference")]);
    let field = field(&app.other_admin(), "patient", "weight", json!({ "field_type": "integer" })).await;
    let refusal = refused(creating(&admin, of_field(field.id, "equals", json!(1))).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/rule/custom_field/custom_field_id", "unknown_reference")]);
}

#[tokio::test]
async fn faults_of_a_rule_are_named_together_and_nothing_is_stored() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let secret = field(&admin, "patient", "diagnosis", json!({ "phi": true })).await;
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "decimal", "unit": "kg" })).await;
    let items = [asked("pain", "scale", true), asked("hours", "integer", false)];
    let form = template(&admin, &items, &[]).await.id;
    let of_form = |key: &str, value: Value| {
        let subject = json!({ "form_template_id": form, "key": key });
        json!({ "op": "less", "form": subject, "value": value })
    };
    let rule = json!({ "op": "and", "rules": [
        of_field(secret.id, "equals", json!("flu")),
        of_field(weight.id, "less", json!("light")),
        of_form("pain", json!(5)),
        of_form("hours", json!("08:00")),
        { "op": "equals", "attribute": "age", "value": 40 },
        { "op": "or", "rules": [] },
    ] });
    let refusal = refused(creating(&admin, rule).await, 422, "validation_failed");
    let mut expected = vec![
        ("/rule/rules/0/custom_field/custom_field_id", "protected"),
        ("/rule/rules/1/value", "type"),
        ("/rule/rules/2/form/key", "protected"),
        ("/rule/rules/3/value", "type"),
        ("/rule/rules/4/attribute", "protected"),
        ("/rule/rules/5/rules", "min_items"),
    ];
    expected.sort_unstable();
    assert_eq!(refusal.fields(), expected);
    let said = refusal.details["fields"].to_string();
    assert!(said.contains("encrypted"), "it says why: {said}");
    assert_eq!(app.count("select count(*) from segments").await, 0);
}

#[tokio::test]
async fn names_are_unique_and_versions_guard_changes() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let made = granted(admin.segment_create().body(input("Café", everybody())).send().await, 201);
    let again = admin.segment_create().body(input("CAFE", everybody())).send().await;
    refused(again, 409, "segment_name_taken");
    let changed = granted(rewrite(&admin, &made, attribute("has_email", true)).await, 200);
    assert_eq!((changed.version, changed.rule_version), (2, 2));
    let named: UpdateSegment =
        body(json!({ "version": 2, "name": "Tea", "description": "Later.", "rule": changed.rule }));
    let named = granted(admin.segment_update().segment_id(made.id).body(named).send().await, 200);
    assert_eq!((named.version, named.rule_version), (3, 2), "the rule is the same");
    let refusal = refused(rewrite(&admin, &made, everybody()).await, 409, "stale_version");
    assert_eq!(refusal.details["version"], 3);
}

#[tokio::test]
async fn segments_read_others_without_cycles_and_keep_them() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let reading = |id: i64| json!({ "op": "not", "rules": [{ "op": "is_member", "segment_id": id }] });
    let first = create(&admin, everybody()).await;
    let second = create(&admin, reading(first.id)).await;
    let third = create(&admin, reading(second.id)).await;
    for (segment, other) in [(&first, third.id), (&first, first.id), (&second, third.id)] {
        let refusal = refused(rewrite(&admin, segment, reading(other)).await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/rule/rules/0/segment_id", "cycle")]);
    }
    let preview: PreviewSegment = body(json!({ "rule": reading(third.id), "segment_id": first.id }));
    refused(admin.segment_preview().body(preview).send().await, 422, "validation_failed");
    refused(admin.segment_delete().segment_id(second.id).send().await, 409, "segment_in_use");
    granted(admin.segment_delete().segment_id(third.id).send().await, 204);
    granted(admin.segment_delete().segment_id(second.id).send().await, 204);
    granted(rewrite(&admin, &first, attribute("has_email", true)).await, 200);
}

#[tokio::test]
async fn what_a_rule_names_is_archived_and_not_deleted() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let weight = field(&admin, "patient", "weight", json!({ "field_type": "integer" })).await;
    let segment = create(&admin, of_field(weight.id, "less", json!(70))).await;
    granted(admin.custom_field_delete().custom_field_id(weight.id).send().await, 204);
    let archived = granted(admin.custom_field_get().custom_field_id(weight.id).send().await, 200);
    assert!(archived.archived_at.is_some());
    assert_eq!(evaluate(&admin, segment.id).await.state, SegmentState::Valid, "values are kept, and compared");
    granted(admin.segment_delete().segment_id(segment.id).send().await, 204);
    granted(admin.custom_field_delete().custom_field_id(weight.id).send().await, 204);
}

#[tokio::test]
async fn a_rule_is_tried_without_a_trace() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let smokes = field(&admin, "patient", "smokes", json!({ "field_type": "boolean" })).await;
    let [yes, no, _unknown] = patients(&app, ["Yes", "No", "Unknown"]).await;
    set(&admin, Of::Patient(yes), 0, json!({ "smokes": true })).await;
    set(&admin, Of::Patient(no), 0, json!({ "smokes": false })).await;
    let preview = async |rule: Value| {
        let preview: PreviewSegment = body(json!({ "rule": rule }));
        granted(admin.segment_preview().body(preview).send().await, 200)
    };
    let found = preview(of_field(smokes.id, "not_equals", json!(true))).await;
    assert_eq!((found.member_count, found.missing_count, found.patient_count), (1, 1, 3), "false is a value");
    let examples: Vec<_> =
        found.examples.iter().map(|example| (example.patient_id, example.last_name.as_str())).collect();
    assert_eq!(examples, [(no, "No")]);
    let mut included = of_field(smokes.id, "not_equals", json!(true));
    included["missing"] = json!("include");
    let found = preview(included).await;
    assert_eq!((found.member_count, found.missing_count), (2, 0));
    assert_eq!(app.count("select count(*) from segments").await, 0);
}

#[tokio::test]
async fn a_clinic_has_at_most_two_hundred_segments() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    create(&admin, everybody()).await;
    let sql = "insert into segments (organization_id, name, rule, sources)
               select organization_id, 'Segment ' || n, rule, sources from segments, generate_series(2, 200) n";
    sqlx::query(sql).execute(&mut app.owner().await).await.unwrap();
    refused(creating(&admin, everybody()).await, 409, "too_many_segments");
    create(&app.other_admin(), everybody()).await;
}

#[tokio::test]
async fn hostile_operands_are_values_and_nothing_else() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let note = field(&admin, "patient", "note", json!({})).await;
    let [marked, plain] = patients(&app, ["Marked", "Plain"]).await;
    let hostile = [
        "'; drop table patients; --",
        "%",
        "_",
        "\\",
        "x') or true or ('",
        "$1",
        "{}",
        "e\u{301}' or 1=1",
        "' || (1 / 0)::text || '",
    ];
    set(&admin, Of::Patient(plain), 0, json!({ "note": "nothing of it" })).await;
    let mut version = 0;
    for text in hostile {
        version = set(&admin, Of::Patient(marked), version, json!({ "note": format!("a {text} b") })).await.version;
        for (op, value) in [("contains", text.to_owned()), ("equals", format!("a {text} b"))] {
            let id = evaluated(&admin, of_field(note.id, op, json!(value))).await;
            assert_eq!(members(&admin, id).await, BTreeSet::from([marked]), "{op} {text}");
            granted(admin.segment_delete().segment_id(id).send().await, 204);
        }
    }
    assert_eq!(app.count("select count(*) from patients").await, 2);
}
