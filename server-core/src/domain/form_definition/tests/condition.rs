use serde_json::{Value, json};

use super::{compiled, evaluated, form, item, reported, visible};

/// Returns whether an item with `condition` is visible for `answers`, in a form of a field of each type.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn holds(condition: Value, answers: Value) -> bool {
    let compiled = compiled(form(json!([
        item("text", "text", json!({})),
        item("number", "decimal", json!({})),
        item("truth", "boolean", json!({})),
        item("day", "date", json!({})),
        item("clock", "time", json!({})),
        item("moment", "datetime", json!({})),
        item("one", "single_choice", json!({})),
        item("many", "multiple_choice", json!({ "field": { "definition": { "validation": { "min_selected": 0 } } } })),
        item("phone", "phone", json!({})),
        { "key": "subject", "visible_if": condition, "text": { "text": "Shown" } },
    ])));
    visible(&compiled, answers).contains(&"subject".to_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn test(op: &str, field: &str, value: Value) -> Value {
    json!({ "op": op, "field": field, "value": value })
}

#[test]
fn comparisons_follow_the_type_of_the_field() {
    for (op, field, operand, answer, expected) in [
        ("equals", "text", json!("Größe"), json!("GROSSE"), true),
        ("equals", "text", json!("a"), json!("ab"), false),
        ("contains", "text", json!("warf"), json!("Wárfarin 5 mg"), true),
        ("not_equals", "text", json!("a"), json!("b"), true),
        ("equals", "number", json!("1.50"), json!("1.5"), true),
        ("equals", "number", json!(2), json!("2.0"), true),
        ("less", "number", json!(10), json!("9.99"), true),
        ("less", "number", json!(10), json!("10"), false),
        ("less_or_equal", "number", json!(10), json!("10"), true),
        ("greater", "number", json!("-0.5"), json!("0"), true),
        ("greater_or_equal", "number", json!(0), json!("-0.0000000001"), false),
        ("equals", "truth", json!(false), json!(false), true),
        ("not_equals", "truth", json!(true), json!(false), true),
        ("less", "day", json!("2026-03-01"), json!("2026-02-28"), true),
        ("greater", "clock", json!("09:30"), json!("09:30:01"), true),
        ("equals", "moment", json!("2026-03-01T10:00:00+02:00"), json!("2026-03-01T08:00:00Z"), true),
        ("equals", "one", json!("b"), json!("b"), true),
        ("contains", "many", json!("b"), json!(["c", "b"]), true),
        ("contains", "many", json!("a"), json!(["c", "b"]), false),
        ("contains", "many", json!("a"), json!([]), false),
    ] {
        let mut answers = json!({});
        answers[field] = answer.clone();
        assert_eq!(holds(test(op, field, operand.clone()), answers), expected, "{field} {answer} {op} {operand}");
    }
    assert!(holds(json!({ "op": "in", "field": "one", "values": ["a", "c"] }), json!({ "one": "c" })));
    assert!(!holds(json!({ "op": "in", "field": "number", "values": [1, "2.5"] }), json!({ "number": "2" })));
}

#[test]
fn a_comparison_with_a_missing_answer_is_false() {
    for op in ["equals", "not_equals", "less", "less_or_equal", "greater", "greater_or_equal"] {
        assert!(!holds(test(op, "number", json!(0)), json!({})), "{op}");
        assert!(!holds(test(op, "number", json!(0)), json!({ "number": null })), "{op}: null is no answer");
    }
    assert!(!holds(test("contains", "many", json!("a")), json!({})));
    assert!(!holds(json!({ "op": "in", "field": "one", "values": ["a"] }), json!({})));
    assert!(holds(json!({ "op": "not", "conditions": [test("equals", "number", json!(0))] }), json!({})));
    let is_empty = |field: &str| json!({ "op": "is_empty", "field": field });
    assert!(holds(is_empty("phone"), json!({})));
    for answers in [json!({ "truth": false }), json!({ "number": 0 }), json!({ "many": [] })] {
        let field = answers.as_object().and_then(|answers| answers.keys().next().cloned()).unwrap();
        assert!(!holds(is_empty(&field), answers.clone()), "{answers} is an answer");
    }
}

#[test]
fn conditions_combine() {
    let (yes, no) = (test("equals", "truth", json!(true)), test("equals", "truth", json!(false)));
    for (op, parts, expected) in [
        ("and", vec![&yes, &yes], true),
        ("and", vec![&yes, &no], false),
        ("or", vec![&no, &yes], true),
        ("or", vec![&no, &no], false),
        ("not", vec![&no], true),
        ("not", vec![&yes], false),
    ] {
        assert_eq!(
            holds(json!({ "op": op, "conditions": parts }), json!({ "truth": true })),
            expected,
            "{op} {parts:?}"
        );
    }
}

#[test]
fn what_a_hidden_field_controls_is_hidden_wherever_it_stands() {
    let is_yes = |field: &str| test("equals", field, json!(true));
    let required = |key: &str, condition: Value| {
        item(key, "boolean", json!({ "visible_if": condition, "field": { "required": true } }))
    };
    // The last controls the one before it, and so on up to the first.
    let compiled = compiled(form(json!([
        required("d", is_yes("c")),
        required("c", is_yes("b")),
        required("b", is_yes("a")),
        item("a", "boolean", json!({})),
    ])));
    let all = json!({ "a": true, "b": true, "c": true, "d": true });
    assert_eq!(visible(&compiled, all.clone()), ["d", "c", "b", "a"]);
    let mut answers = all;
    answers["a"] = json!(false);
    assert_eq!(visible(&compiled, answers.clone()), ["a"], "hidden answers don't count");
    let report = reported(&compiled, answers.clone());
    assert_eq!(report.hidden_answers, ["/d", "/c", "/b"]);
    assert!(report.items.iter().all(|item| !item.required && !item.missing), "a hidden field is not required");
    let (answers, evaluation) = evaluated(&compiled, answers);
    assert_eq!(json!(compiled.write(&answers, Some(&evaluation))), json!({ "a": false }), "they are dropped at submit");
    let kept = json!({ "d": true, "c": true, "b": true, "a": false });
    assert_eq!(json!(compiled.write(&answers, None)), kept, "and kept in the draft");
}

#[test]
fn a_section_hides_its_items() {
    let compiled = compiled(json!({ "language": "en", "sections": [
        { "key": "second", "label": "Second", "visible_if": test("equals", "gate", json!(true)), "items": [
            item("inner", "boolean", json!({})),
        ] },
        { "key": "first", "label": "First", "items": [
            item("gate", "boolean", json!({})),
            { "key": "after", "visible_if": test("equals", "inner", json!(true)), "text": { "text": "Shown" } },
        ] },
    ] }));
    assert_eq!(visible(&compiled, json!({ "gate": true, "inner": true })), ["inner", "gate", "after"]);
    assert_eq!(visible(&compiled, json!({ "gate": false, "inner": true })), ["gate"]);
    let report = reported(&compiled, json!({}));
    assert_eq!(report.sections.iter().map(|section| section.visible).collect::<Vec<_>>(), [false, true]);
}

/// A form with a group whose fields look at each other and outside.
fn with_group() -> Value {
    let inner = |key: &str, condition: Value| {
        let mut field = item(key, "boolean", json!({}));
        if !condition.is_null() {
            field["visible_if"] = condition;
        }
        field
    };
    form(json!([
        item("outer", "boolean", json!({})),
        { "key": "group", "group": { "label": "Group", "max_entries": 5, "items": [
            inner("second", test("equals", "first", json!(true))),
            inner("first", Value::Null),
            inner("third", test("equals", "outer", json!(true))),
        ] } },
        { "key": "many", "visible_if": test("greater", "group", json!(1)), "text": { "text": "Several" } },
        { "key": "none", "visible_if": { "op": "is_empty", "field": "group" }, "text": { "text": "None" } },
    ]))
}

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

#[test]
fn a_condition_in_a_group_sees_its_own_entry_and_what_is_outside() {
    let compiled = compiled(with_group());
    let report = reported(
        &compiled,
        json!({ "outer": true, "group": [{ "id": id(1), "first": true }, { "id": id(2), "first": false }] }),
    );
    let entries: Vec<(&str, bool)> =
        report.items.iter().filter(|item| item.entry.is_some()).map(|item| (item.key.as_str(), item.visible)).collect();
    let of = |second: bool| [("second", second), ("first", true), ("third", true)];
    assert_eq!(entries, [of(true), of(false)].concat());
}

#[test]
fn a_condition_outside_of_a_group_sees_the_number_of_its_entries() {
    let compiled = compiled(with_group());
    let entry = |number: u8| json!({ "id": id(number) });
    assert_eq!(visible(&compiled, json!({})), ["outer", "group", "none"]);
    assert_eq!(visible(&compiled, json!({ "group": [entry(1)] })), ["outer", "group"]);
    assert_eq!(visible(&compiled, json!({ "group": [entry(1), entry(2)] })), ["outer", "group", "many"]);
}

#[test]
fn a_field_of_the_entry_comes_before_one_outside_with_the_same_key() {
    let compiled = compiled(form(json!([
        item("gate", "boolean", json!({})),
        { "key": "group", "group": { "label": "Group", "max_entries": 5, "items": [
            item("gate", "boolean", json!({})),
            item("inner", "boolean", json!({ "visible_if": test("equals", "gate", json!(true)) })),
        ] } },
    ])));
    let report = reported(&compiled, json!({ "gate": true, "group": [{ "id": id(1), "gate": false }] }));
    assert!(report.items.iter().any(|item| item.key.as_str() == "inner" && !item.visible));
}
