#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use chrono_tz::{America::Sao_Paulo, Europe::Berlin, Pacific::Apia};
use poem_openapi::types::ParseFromJSON as _;
use serde_json::{Value, json};

use super::{
    day,
    known::{Known, KnownField, KnownForm, KnownItem, KnownSegment, Shape},
    leaf::Source,
    rule::SegmentRule,
    statement::Statement,
    tree::Compiled,
};
use crate::{
    domain::{custom_field::FieldEntity, field::FieldDefinition},
    ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, OrganizationId, PatientId, SegmentId},
};

/// Custom fields of these tests.
const WEIGHT: i64 = 1;
const SMOKES: i64 = 2;
const SECRET: i64 = 3;
const NOTE: i64 = 4;
const HANDS: i64 = 5;
const BORN: i64 = 6;
const OF_SPECIALISTS: i64 = 7;
/// Form template of these tests.
const FORM: i64 = 1;

fn definition(kind: &str, more: Value) -> FieldDefinition {
    let mut whole = json!({ "field_type": kind, "label": kind, "phi": false });
    if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
        whole.extend(more);
    }
    FieldDefinition::parse_from_json(Some(whole)).unwrap_or_else(|_| panic!("no definition"))
}

fn field(versions: Vec<FieldDefinition>) -> KnownField {
    let versions: BTreeMap<i32, FieldDefinition> = (1..).zip(versions).collect();
    let present = versions.keys().next_back().copied().unwrap_or(1);
    KnownField { entity: FieldEntity::Patient, present, versions }
}

fn known() -> Known {
    let options = json!({ "options": [{ "key": "left", "label": "Left" }, { "key": "right", "label": "Right" }] });
    let fields = [
        (
            WEIGHT,
            field(vec![
                definition("integer", json!({ "unit": "lb" })),
                definition("integer", json!({ "unit": "kg" })),
                definition("decimal", json!({ "unit": "kg" })),
            ]),
        ),
        (SMOKES, field(vec![definition("boolean", json!({}))])),
        (SECRET, field(vec![definition("text", json!({ "phi": true }))])),
        (NOTE, field(vec![definition("text", json!({}))])),
        (HANDS, field(vec![definition("multiple_choice", options)])),
        (BORN, field(vec![definition("date", json!({}))])),
        (OF_SPECIALISTS, KnownField { entity: FieldEntity::Specialist, ..field(vec![definition("text", json!({}))]) }),
    ];
    let scale = Box::new(definition("scale", json!({})));
    let items = [
        ("pain", KnownItem::Field { definition: scale.clone(), protected: false }),
        ("hidden", KnownItem::Field { definition: scale.clone(), protected: true }),
        ("score", KnownItem::Score { protected: false }),
        ("group", KnownItem::Other),
    ];
    let form = KnownForm {
        latest: Some(2),
        items: items.into_iter().map(|(key, item)| ((2, key.to_owned()), item)).collect(),
        read: BTreeSet::from([2]),
        shapes: BTreeMap::from([
            ("pain".to_owned(), vec![(1, Shape::SCORE), (2, Shape::of(&scale))]),
            ("score".to_owned(), vec![(1, Shape::SCORE), (2, Shape::SCORE)]),
        ]),
    };
    Known {
        zone: Berlin,
        now: Utc.with_ymd_and_hms(2026, 3, 31, 22, 30, 0).unwrap(),
        fields: fields.into_iter().map(|(id, field)| (CustomFieldId(id), field)).collect(),
        forms: BTreeMap::from([(FormTemplateId(FORM), form), (FormTemplateId(9), KnownForm::default())]),
        appointment_templates: BTreeSet::from([AppointmentTemplateId(5), AppointmentTemplateId(6)]),
        segments: BTreeMap::from([
            (SegmentId(1), KnownSegment { valid: true, reads_this: false }),
            (SegmentId(2), KnownSegment { valid: true, reads_this: true }),
            (SegmentId(3), KnownSegment { valid: false, reads_this: false }),
        ]),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn check(rule: Value) -> Result<Compiled, Vec<(String, String)>> {
    let rule = SegmentRule::parse_from_json(Some(rule)).unwrap_or_else(|error| panic!("{}", error.into_message()));
    Compiled::check(&rule, &known(), "/rule").map_err(|faults| {
        faults.list().iter().map(|fault| (fault.pointer.clone(), fault.rule.clone().into_owned())).collect()
    })
}

fn faults(rule: Value) -> Vec<(String, String)> {
    check(rule).err().unwrap_or_default()
}

/// Asserts that a rule has one fault.
fn refused(rule: Value, pointer: &str, broken: &str) {
    let shown = rule.to_string();
    assert_eq!(faults(rule), [(pointer.to_owned(), broken.to_owned())], "{shown}");
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn of_field(id: i64, op: &str, value: Value) -> Value {
    json!({ "op": op, "custom_field": { "custom_field_id": id }, "value": value })
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn of_form(key: &str, op: &str, value: Value) -> Value {
    json!({ "op": op, "form": { "form_template_id": FORM, "key": key }, "value": value })
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn of_appointments(measure: &str, op: &str, value: Value) -> Value {
    json!({ "op": op, "appointments": { "measure": measure }, "value": value })
}

fn text_of(compiled: &Compiled) -> String {
    let mut sql = Statement::of(OrganizationId(1));
    compiled.judged(&mut sql);
    sql.text().to_owned()
}

#[test]
fn every_kind_of_subject_is_accepted_with_its_operands() {
    let rules = [
        json!({ "op": "equals", "attribute": "has_email", "value": false }),
        json!({ "op": "less", "attribute": "created_at", "value": "today-1y" }),
        json!({ "op": "greater", "attribute": "created_at", "value": "2026-01-31T10:00:00Z" }),
        of_field(WEIGHT, "greater_or_equal", json!("70.5")),
        of_field(WEIGHT, "equals", json!(0)),
        of_field(SMOKES, "not_equals", json!(false)),
        of_field(NOTE, "contains", json!("%' or 1 = 1 --")),
        of_field(HANDS, "contains", json!("left")),
        of_field(BORN, "less", json!("today-18y")),
        json!({ "op": "in", "custom_field": { "custom_field_id": BORN }, "values": ["2000-02-29", "today"] }),
        json!({ "op": "is_missing", "custom_field": { "custom_field_id": NOTE, "version": 1 } }),
        json!({ "op": "equals", "custom_field": { "custom_field_id": NOTE }, "value": "x", "missing": "include" }),
        of_appointments("count", "less", json!(3)),
        of_appointments("last_at", "less", json!("today-90d")),
        of_appointments("next_at", "equals", json!("today+1w")),
        of_appointments("last_status", "equals", json!("completed")),
        of_appointments("next_template", "equals", json!(5)),
        json!({ "op": "is_present", "appointments": { "measure": "next_at", "appointment_template_ids": [6] } }),
        json!({ "op": "equals", "value": 0, "appointments": {
            "measure": "count", "from": "today-90d", "to": "today", "statuses": ["no_show", "cancelled"],
        } }),
        of_form("pain", "greater", json!(5)),
        of_form("score", "less", json!("12.5")),
        json!({ "op": "is_member", "segment_id": 1 }),
    ];
    for rule in &rules {
        assert_eq!(faults(rule.clone()), [], "{rule}");
    }
    let whole = check(json!({ "op": "or", "rules": rules })).unwrap();
    let all = [Source::Patients, Source::Profiles, Source::Appointments, Source::Forms, Source::Segments]
        .into_iter()
        .collect();
    assert_eq!(whole.sources(), all);
}

#[test]
fn all_faults_are_reported_at_once_with_their_pointers() {
    let rule = json!({ "op": "and", "rules": [
        of_field(WEIGHT, "greater", json!("heavy")),
        { "op": "not", "rules": [] },
        { "op": "or", "rules": [of_form("nothing", "equals", json!(1)), of_field(SECRET, "equals", json!("x"))] },
        { "op": "is_member", "segment_id": 3, "value": 1 },
    ] });
    let expected = [
        ("/rule/rules/0/value", "type"),
        ("/rule/rules/1/rules", "min_items"),
        ("/rule/rules/2/rules/0/form/key", "unknown_reference"),
        ("/rule/rules/2/rules/1/custom_field/custom_field_id", "protected"),
        ("/rule/rules/3/segment_id", "invalid_segment"),
        ("/rule/rules/3/value", "not_applicable"),
    ];
    assert_eq!(faults(rule), expected.map(|(pointer, rule)| (pointer.to_owned(), rule.to_owned())));
}

#[test]
fn protected_values_are_refused_and_say_so() {
    for sealed in ["age", "date_of_birth", "email", "phone", "national_id", "clinical_notes"] {
        refused(json!({ "op": "equals", "attribute": sealed, "value": 1 }), "/rule/attribute", "protected");
    }
    refused(of_field(SECRET, "equals", json!("x")), "/rule/custom_field/custom_field_id", "protected");
    refused(of_form("hidden", "equals", json!(1)), "/rule/form/key", "protected");
}

#[test]
fn a_wrong_or_unused_operand_is_a_fault() {
    refused(of_field(WEIGHT, "contains", json!(7)), "/rule/op", "not_applicable");
    refused(of_field(SMOKES, "less", json!(true)), "/rule/op", "not_applicable");
    refused(of_field(SMOKES, "equals", json!("true")), "/rule/value", "type");
    refused(of_field(WEIGHT, "equals", json!(1.5)), "/rule/value", "type");
    refused(of_field(BORN, "equals", json!("31.12.2000")), "/rule/value", "format");
    refused(of_field(BORN, "equals", json!("today-99999d")), "/rule/value", "format");
    refused(of_field(BORN, "equals", json!("today-9999y")), "/rule/value", "format");
    refused(of_field(HANDS, "contains", json!("middle")), "/rule/value", "option");
    refused(of_field(NOTE, "contains", json!("  ")), "/rule/value", "length");
    refused(of_appointments("count", "equals", json!(-1)), "/rule/value", "range");
    refused(of_appointments("last_status", "equals", json!("no_show")), "/rule/value", "option");
    refused(of_appointments("last_template", "equals", json!(7)), "/rule/value", "unknown_reference");
    let mut rule = of_field(NOTE, "equals", json!("x"));
    rule["values"] = json!(["y"]);
    refused(rule, "/rule/values", "not_applicable");
    let mut rule = of_field(NOTE, "in", json!("x"));
    rule["values"] = json!(["y"]);
    refused(rule, "/rule/value", "not_applicable");
    let rule = json!({ "op": "in", "custom_field": { "custom_field_id": WEIGHT }, "values": [1, "1.0", 2] });
    refused(rule, "/rule/values/1", "repeated");
    let rule = json!({ "op": "is_missing", "custom_field": { "custom_field_id": NOTE }, "missing": "include" });
    refused(rule, "/rule/missing", "not_applicable");
    let mut rule = of_appointments("count", "equals", json!(0));
    rule["missing"] = json!("include");
    refused(rule, "/rule/missing", "not_applicable");
    refused(json!({ "op": "is_missing", "attribute": "has_email" }), "/rule/op", "not_applicable");
    let both = json!({ "op": "equals", "attribute": "has_email", "value": true,
        "custom_field": { "custom_field_id": SMOKES } });
    refused(both, "/rule", "one_of");
    refused(json!({ "op": "equals", "value": true }), "/rule", "one_of");
    refused(
        json!({ "op": "and", "attribute": "has_email", "rules": [
        { "op": "equals", "attribute": "has_email", "value": true },
    ] }),
        "/rule/attribute",
        "not_applicable",
    );
    refused(
        json!({ "op": "not", "rules": [
        { "op": "equals", "attribute": "has_email", "value": true },
        { "op": "equals", "attribute": "has_phone", "value": true },
    ] }),
        "/rule/rules",
        "max_items",
    );
}

#[test]
fn names_that_lead_nowhere_are_faults() {
    refused(json!({ "op": "equals", "attribute": "shoe_size", "value": 1 }), "/rule/attribute", "unknown_reference");
    let at = "/rule/custom_field/custom_field_id";
    refused(of_field(99, "equals", json!("x")), at, "unknown_reference");
    refused(of_field(OF_SPECIALISTS, "equals", json!("x")), at, "unknown_reference");
    let rule = json!({ "op": "is_present", "form": { "form_template_id": 2, "key": "pain" } });
    refused(rule, "/rule/form/form_template_id", "unknown_reference");
    let rule = json!({ "op": "is_present", "form": { "form_template_id": 9, "key": "pain" } });
    refused(rule, "/rule/form/form_template_id", "not_published");
    refused(of_form("group", "equals", json!(1)), "/rule/form/key", "unknown_reference");
    refused(json!({ "op": "is_member", "segment_id": 2 }), "/rule/segment_id", "cycle");
    refused(json!({ "op": "is_member", "segment_id": 4 }), "/rule/segment_id", "unknown_reference");
    let rule =
        json!({ "op": "is_present", "appointments": { "measure": "last_at", "appointment_template_ids": [5, 7] } });
    refused(rule, "/rule/appointments/appointment_template_ids/1", "unknown_reference");
    let rule = json!({ "op": "is_present", "appointments": { "measure": "last_at", "statuses": ["held"] } });
    refused(rule, "/rule/appointments/statuses/0", "not_applicable");
    let rule = json!({ "op": "is_present", "appointments": { "measure": "last_at", "from": "today" } });
    refused(rule, "/rule/appointments/from", "not_applicable");
    let days = json!({ "measure": "count", "from": "today", "to": "today-1d" });
    refused(json!({ "op": "equals", "appointments": days, "value": 1 }), "/rule/appointments/to", "range");
}

#[test]
fn a_version_with_another_unit_is_not_compared() {
    // Integers and decimals in kilograms are; pounds are not.
    let pinned = |version: i32| {
        json!({ "op": "equals", "value": 70,
        "custom_field": { "custom_field_id": WEIGHT, "version": version } })
    };
    assert_eq!(faults(pinned(2)), []);
    refused(pinned(1), "/rule/custom_field/version", "type_changed");
    refused(pinned(4), "/rule/custom_field/version", "unknown_reference");
}

#[test]
fn depth_and_size_are_bounded() {
    let leaf = || json!({ "op": "equals", "attribute": "has_email", "value": true });
    let nested = |levels: usize| (1..levels).fold(leaf(), |rule, _| json!({ "op": "not", "rules": [rule] }));
    assert_eq!(faults(nested(8)), []);
    refused(nested(9), &format!("/rule{}", "/rules/0".repeat(8)), "max_depth");
    let wide = |count: usize| {
        let rules: Vec<Value> = (0..4).map(|_| json!({ "op": "or", "rules": vec![leaf(); count] })).collect();
        json!({ "op": "and", "rules": rules })
    };
    assert_eq!(faults(wide(48)), []);
    refused(wide(49), "/rule", "max_items");
}

#[test]
fn no_operand_is_in_the_text_of_the_statement() {
    let hostile = "x'); drop table patients; --";
    let rule = json!({ "op": "and", "rules": [
        of_field(NOTE, "contains", json!(hostile)),
        { "op": "in", "custom_field": { "custom_field_id": NOTE }, "values": [hostile, "$1", "\\"] },
        of_field(WEIGHT, "less", json!("123456789.5")),
        of_field(BORN, "greater", json!("1987-06-05")),
        of_form("pain", "equals", json!(8)),
        of_appointments("last_status", "equals", json!("completed")),
    ] });
    let compiled = check(rule).unwrap();
    let mut of_one = Statement::of(OrganizationId(1));
    compiled.truths(&mut of_one, PatientId(424_242));
    for text in [text_of(&compiled).as_str(), of_one.text()] {
        for operand in ["drop", "123456789", "1987", "completed", "pain", "424242", "\\"] {
            assert!(!text.contains(operand), "{operand}: {text}");
        }
        assert_eq!(text.matches('(').count(), text.matches(')').count(), "{text}");
    }
}

#[test]
fn conditions_are_compiled_in_parentheses() {
    let email = json!({ "op": "equals", "attribute": "has_email", "value": true });
    let phone = json!({ "op": "equals", "attribute": "has_phone", "value": true });
    let either = json!({ "op": "or", "rules": [email, phone] });
    let rule = json!({ "op": "and", "rules": [either, { "op": "not", "rules": [email] }] });
    let text = text_of(&check(rule).unwrap());
    let leaf = |number: usize| format!("((bool_or(t.truth) filter (where t.leaf = {number})))");
    let expected = format!("(({} or {}) and (not {}))", leaf(1), leaf(2), leaf(3));
    assert!(text.contains(&expected), "{expected}\n{text}");
}

/// Returns the verdict and the failing conditions for these values of leaves, by their place from 1.
fn explained(rule: Value, truths: &[(usize, Option<bool>)]) -> (Option<bool>, Vec<String>) {
    let explained = check(rule).unwrap().explain(&truths.iter().copied().collect());
    (explained.verdict, explained.failing)
}

#[test]
fn missing_values_make_nobody_a_member_unless_asked() {
    let smokes = of_field(SMOKES, "not_equals", json!(true));
    assert_eq!(explained(smokes.clone(), &[]), (None, vec!["/rule".to_owned()]));
    assert_eq!(explained(smokes.clone(), &[(1, Some(true))]), (Some(true), Vec::new()));
    let not = json!({ "op": "not", "rules": [of_field(SMOKES, "equals", json!(true))] });
    assert_eq!(explained(not.clone(), &[]), (None, vec!["/rule/rules/0".to_owned()]));
    assert_eq!(explained(not, &[(1, Some(true))]), (Some(false), vec!["/rule/rules/0".to_owned()]));
    let mut included = smokes.clone();
    included["missing"] = json!("include");
    assert_eq!(explained(included, &[]).0, Some(true));
    let missing = json!({ "op": "is_missing", "custom_field": { "custom_field_id": SMOKES } });
    assert_eq!(explained(missing.clone(), &[]).0, Some(true));
    assert_eq!(explained(missing, &[(1, Some(true))]).0, Some(false));
    // Nobody misses a number of appointments.
    assert_eq!(explained(of_appointments("count", "less", json!(1)), &[]).0, Some(true));
    assert_eq!(explained(of_appointments("count", "greater", json!(0)), &[]).0, Some(false));
    let email = json!({ "op": "equals", "attribute": "has_email", "value": true });
    let or = json!({ "op": "or", "rules": [smokes.clone(), email] });
    assert_eq!(explained(or.clone(), &[(2, Some(true))]).0, Some(true), "true whatever the other is");
    assert_eq!(explained(or, &[(2, Some(false))]).0, None);
    let and = json!({ "op": "and", "rules": [smokes, email] });
    let failing = vec!["/rule/rules/0".to_owned(), "/rule/rules/1".to_owned()];
    assert_eq!(explained(and, &[(2, Some(false))]), (Some(false), failing));
}

#[test]
fn days_are_read_and_moved() {
    let today = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let of = |text: &str| day::day(text, today).map(|day| day.to_string());
    for (text, expected) in [
        ("today", "2024-02-29"),
        ("today-1d", "2024-02-28"),
        ("today+2w", "2024-03-14"),
        ("today-1m", "2024-01-29"),
        ("today-12m", "2023-02-28"),
        ("today-1y", "2023-02-28"),
        ("2001-12-31", "2001-12-31"),
    ] {
        assert_eq!(of(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        "Today",
        "today-",
        "today-d",
        "today-1",
        "today 1d",
        "today--1d",
        "today-1é",
        "today-12345d",
        "2001-2-3",
        "1849-12-31",
        "2023-02-29",
        "+2001-01-01",
    ] {
        assert_eq!(of(text), None, "{text}");
    }
}

#[test]
fn a_day_begins_at_midnight_or_where_the_clocks_skip_it() {
    let begins = |zone, text: &str| day::begin(zone, text.parse().unwrap()).to_rfc3339();
    assert_eq!(begins(Berlin, "2026-03-29"), "2026-03-28T23:00:00+00:00");
    assert_eq!(begins(Berlin, "2026-03-30"), "2026-03-29T22:00:00+00:00");
    // The clocks skipped midnight, and a whole day.
    assert_eq!(begins(Sao_Paulo, "2018-11-04"), "2018-11-04T03:00:00+00:00");
    assert_eq!(begins(Apia, "2011-12-30"), begins(Apia, "2011-12-31"));
}

#[test]
fn today_is_that_of_the_organization() {
    let known = known();
    assert_eq!(known.today().to_string(), "2026-04-01", "in UTC it is still March");
    let tomorrow: DateTime<Utc> = "2026-04-01T22:00:00Z".parse().unwrap();
    assert_eq!(known.tomorrow(), tomorrow);
}

#[test]
fn a_rule_is_stored_with_the_versions_that_it_was_written_for() {
    let rule = json!({ "op": "and", "rules": [
        of_field(WEIGHT, "equals", json!(70)),
        of_form("pain", "equals", json!(3)),
        { "op": "is_present", "custom_field": { "custom_field_id": WEIGHT, "version": 2 } },
    ] });
    let rule = SegmentRule::parse_from_json(Some(rule)).unwrap_or_else(|_| panic!("no rule"));
    let pinned = rule.pinned(&known());
    let versions: Vec<Option<i32>> = pinned
        .rules
        .iter()
        .map(|rule| {
            rule.custom_field.as_ref().map_or_else(|| rule.form.as_ref().and_then(|f| f.version), |f| f.version)
        })
        .collect();
    assert_eq!(versions, [Some(3), Some(2), Some(2)]);
}
