use poem_openapi::types::{Example as _, ParseFromJSON as _, ToJSON as _};
use serde_json::{Value, json};

use super::{Library, built, compiled, definition, expected, faults_of, form, item, merge, pairs};
use crate::domain::form_definition::{Compiled, FormDefinition, FormSigner, SignerRole, SigningMeaning, content_hash};

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn equals(field: &str, value: Value) -> Value {
    json!({ "op": "equals", "field": field, "value": value })
}

#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn text(key: &str, condition: Value) -> Value {
    json!({ "key": key, "visible_if": condition, "text": { "text": "Text" } })
}

fn group(items: &[Value]) -> Value {
    json!({ "key": "group", "group": { "label": "Group", "max_entries": 2, "items": items } })
}

#[test]
fn the_example_has_no_fault_and_one_form() {
    let example = FormDefinition::example();
    assert!(Compiled::build(&example, &Library::default()).is_ok());
    let body = example.to_json().unwrap();
    let read =
        FormDefinition::parse_from_json(Some(body.clone())).unwrap_or_else(|fault| panic!("{}", fault.into_message()));
    assert_eq!(read.to_json(), Some(body));
}

#[test]
fn all_faults_are_listed_at_once() {
    let faults = faults_of(json!({ "language": "en", "sections": [
        { "key": "main", "label": "Main", "help": null, "translations": [
            { "language": "EN", "label": "Main" },
            { "language": "de", "label": "Haupt", "help": "Hilfe" },
            { "language": "de", "label": "Haupt" },
        ], "items": [
            item("a", "boolean", json!({ "field": { "custom_field": { "id": 1, "version": 1 } } })),
            item("a", "boolean", json!({ "field": { "required": true, "required_if": equals("a", json!(true)) } })),
            { "key": "nothing" },
            { "key": "pinned", "field": { "custom_field": { "id": 9, "version": 1 } } },
            item("options", "single_choice", json!({
                "field": { "definition": { "options": [] }, "write_back": true },
            })),
            { "key": "group", "group": { "label": "Group", "min_entries": 3, "max_entries": 2, "items": [
                item("id", "boolean", json!({})),
                item("b", "boolean", json!({ "field": { "prefill": { "patient": "email" } } })),
                item("b", "boolean", json!({})),
            ] } },
        ] },
        { "key": "main", "label": "Again", "items": [] },
    ] }));
    assert_eq!(
        faults,
        expected(&[
            ("/sections/0/translations/0/language", "repeated"),
            ("/sections/0/translations/2/language", "repeated"),
            ("/sections/0/translations/1/help", "not_applicable"),
            ("/sections/0/items/0/field", "one_of"),
            ("/sections/0/items/1/key", "repeated"),
            ("/sections/0/items/1/field/required_if", "not_applicable"),
            ("/sections/0/items/2", "one_of"),
            ("/sections/0/items/3/field/custom_field", "unknown_reference"),
            ("/sections/0/items/4/field/definition/options", "min_items"),
            ("/sections/0/items/4/field/write_back", "not_applicable"),
            ("/sections/0/items/5/group/min_entries", "range"),
            ("/sections/0/items/5/group/items/0/key", "reserved"),
            ("/sections/0/items/5/group/items/1/field/prefill", "not_applicable"),
            ("/sections/0/items/5/group/items/2/key", "repeated"),
            ("/sections/1/key", "repeated"),
        ])
    );
}

/// Returns the faults of a condition, with pointers below it.
fn of_condition(condition: Value) -> Vec<(String, String)> {
    let faults = faults_of(form(json!([
        item("truth", "boolean", json!({})),
        item("number", "decimal", json!({})),
        item("one", "single_choice", json!({})),
        item("many", "multiple_choice", json!({})),
        item("note", "text", json!({})),
        item("day", "date", json!({})),
        item("phone", "phone", json!({})),
        group(&[item("inner", "boolean", json!({}))]),
        text("subject", condition),
    ])));
    let below = |pointer: String| pointer.replace("/sections/0/items/8/visible_if", "");
    faults.into_iter().map(|(pointer, rule)| (below(pointer), rule)).collect()
}

#[test]
fn a_wrong_or_unused_operand_is_a_fault() {
    for (condition, faults) in [
        (equals("truth", json!("true")), vec![("/value", "type")]),
        (equals("number", json!(1.5)), vec![("/value", "type")]),
        (equals("number", json!("1e3")), vec![("/value", "type")]),
        (equals("number", json!(9_007_199_254_740_992_i64)), vec![("/value", "type")]),
        (equals("one", json!("d")), vec![("/value", "option")]),
        (equals("many", json!("a")), vec![("/op", "not_applicable")]),
        (equals("phone", json!("+4930")), vec![("/op", "not_applicable")]),
        (equals("note", json!(" ")), vec![("/value", "length")]),
        (equals("day", json!("2026-02-30")), vec![("/value", "format")]),
        (equals("inner", json!(true)), vec![("/field", "unknown_reference")]),
        (equals("nowhere", json!(true)), vec![("/field", "unknown_reference")]),
        (json!({ "op": "less", "field": "one", "value": "a" }), vec![("/op", "not_applicable")]),
        (json!({ "op": "contains", "field": "number", "value": 1 }), vec![("/op", "not_applicable")]),
        (json!({ "op": "in", "field": "truth", "values": [true] }), vec![("/op", "not_applicable")]),
        (json!({ "op": "equals", "field": "truth" }), vec![("/value", "required")]),
        (json!({ "op": "equals", "value": 1 }), vec![("/field", "required")]),
        (json!({ "op": "in", "field": "number" }), vec![("/values", "min_items")]),
        (
            json!({ "op": "in", "field": "number", "values": [1, "1.0", "x"], "value": 1 }),
            vec![("/value", "not_applicable"), ("/values/1", "repeated"), ("/values/2", "type")],
        ),
        (
            json!({ "op": "is_empty", "field": "number", "value": 1, "values": [1] }),
            vec![("/value", "not_applicable"), ("/values", "not_applicable")],
        ),
        (
            json!({ "op": "and", "field": "number", "conditions": [] }),
            vec![("/field", "not_applicable"), ("/conditions", "min_items")],
        ),
        (
            json!({ "op": "not", "conditions": [equals("truth", json!(true)), equals("truth", json!(1))] }),
            vec![("/conditions/1/value", "type")],
        ),
        (
            json!({ "op": "not", "conditions": [equals("truth", json!(true)), equals("truth", json!(false))] }),
            vec![("/conditions", "max_items")],
        ),
        (
            json!({ "op": "equals", "field": "truth", "value": true, "conditions": [equals("truth", json!(true))] }),
            vec![("/conditions", "not_applicable")],
        ),
    ] {
        assert_eq!(of_condition(condition.clone()), expected(&faults), "{condition}");
    }
    assert!(of_condition(json!({ "op": "less", "field": "group", "value": 2 })).is_empty());
}

#[test]
fn depth_and_size_of_a_condition_are_bounded() {
    let leaf = equals("truth", json!(true));
    let nested = |depth: usize| (1..depth).fold(leaf.clone(), |inner, _| json!({ "op": "not", "conditions": [inner] }));
    assert!(of_condition(nested(8)).is_empty());
    let deepest = "/conditions/0".repeat(8);
    assert_eq!(of_condition(nested(9)), expected(&[(deepest.as_str(), "max_depth")]));
    let or = |count: usize| json!({ "op": "or", "conditions": vec![leaf.clone(); count] });
    let wide = |last: usize| json!({ "op": "or", "conditions": [or(49), or(49), or(49), or(last)] });
    assert!(of_condition(wide(48)).is_empty(), "200 in all");
    assert_eq!(of_condition(wide(49)), expected(&[("", "max_items")]));
}

#[test]
fn a_cycle_is_refused_and_named() {
    let message = |value: Value| {
        let faults = Compiled::build(&definition(value), &Library::default()).unwrap_err();
        faults.list().iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect::<Vec<_>>()
    };
    let gated = |key: &str, by: &str| item(key, "boolean", json!({ "visible_if": equals(by, json!(true)) }));
    assert_eq!(
        message(form(json!([gated("a", "b"), gated("b", "c"), gated("c", "a"), gated("d", "d"), gated("e", "a")]))),
        [
            "/sections/0/items/0/visible_if must not depend on itself: a → b → c → a",
            "/sections/0/items/3/visible_if must not depend on itself: d → d",
        ]
    );
    let mut own_item = form(json!([item("a", "boolean", json!({}))]));
    own_item["sections"][0]["visible_if"] = equals("a", json!(true));
    assert_eq!(
        message(own_item),
        ["/sections/0/visible_if must not depend on itself: section main → a → section main"]
    );
    let total = json!({ "label": "Total", "formula": "sum", "inputs": [{ "key": "a" }] });
    let by_score = json!({ "op": "less", "field": "total", "value": 3 });
    let through_score = form(json!([
        item("a", "integer", json!({ "visible_if": by_score })),
        { "key": "total", "score": total },
    ]));
    assert_eq!(message(through_score), ["/sections/0/items/0/visible_if must not depend on itself: a → total → a"]);
    let shown_by_itself = form(json!([
        item("a", "integer", json!({})),
        { "key": "total", "visible_if": by_score, "score": total },
    ]));
    assert_eq!(message(shown_by_itself), ["/sections/0/items/1/visible_if must not depend on itself: total → total"]);
    let mut counted = group(&[item("b", "boolean", json!({}))]);
    counted["visible_if"] = json!({ "op": "greater", "field": "group", "value": 0 });
    assert_eq!(
        message(form(json!([counted]))),
        ["/sections/0/items/0/visible_if must not depend on itself: group → group"]
    );
    let in_group = form(json!([group(&[gated("a", "b"), gated("b", "a")]),]));
    assert_eq!(
        message(in_group),
        ["/sections/0/items/0/group/items/0/visible_if must not depend on itself: a → b → a"]
    );
}

#[test]
fn being_required_makes_no_cycle() {
    let required_by =
        |key: &str, by: &str| item(key, "boolean", json!({ "field": { "required_if": equals(by, json!(true)) } }));
    compiled(form(json!([required_by("a", "b"), required_by("b", "a"), required_by("c", "c")])));
}

/// Returns the faults of a score, with pointers below it.
fn of_score(more: Value) -> Vec<(String, String)> {
    let mut score = json!({ "label": "Total", "formula": "sum", "inputs": [{ "key": "number" }] });
    merge(&mut score, more);
    let faults = faults_of(form(json!([
        item("number", "decimal", json!({})),
        item("one", "single_choice", json!({})),
        item("note", "text", json!({})),
        { "key": "total", "score": score },
        group(&[item("inner", "integer", json!({}))]),
    ])));
    let below = |pointer: String| pointer.replace("/sections/0/items/3/score", "");
    faults.into_iter().map(|(pointer, rule)| (below(pointer), rule)).collect()
}

#[test]
fn scores_that_say_too_little_or_too_much_are_refused() {
    let points =
        |options: &[&str]| options.iter().map(|key| json!({ "option": key, "points": "1" })).collect::<Vec<_>>();
    for (more, faults) in [
        (json!({ "may_miss": 1 }), vec![("/may_miss", "maximum"), ("/if_missing", "required")]),
        (json!({ "if_missing": "omit" }), vec![("/if_missing", "not_applicable")]),
        (json!({ "multiplier": "0", "divisor": "0.0" }), vec![("/multiplier", "not_zero"), ("/divisor", "not_zero")]),
        (json!({ "inputs": [{ "key": "number", "weight": "2" }] }), vec![("/inputs/0/weight", "not_applicable")]),
        (
            json!({ "formula": "weighted", "inputs": [{ "key": "number", "weight": "0" }] }),
            vec![("/inputs/0/weight", "not_zero")],
        ),
        (json!({ "inputs": [{ "key": "number", "hidden": "points" }] }), vec![("/inputs/0/hidden_points", "required")]),
        (
            json!({ "inputs": [{ "key": "number", "hidden_points": "1" }] }),
            vec![("/inputs/0/hidden_points", "not_applicable")],
        ),
        (json!({ "inputs": [{ "key": "number", "reverse": true }] }), vec![("/inputs/0/reverse", "not_applicable")]),
        (json!({ "inputs": [{ "key": "note" }] }), vec![("/inputs/0/key", "type")]),
        (json!({ "inputs": [{ "key": "group" }] }), vec![("/inputs/0/key", "reference")]),
        (json!({ "inputs": [{ "key": "inner" }] }), vec![("/inputs/0/key", "unknown_reference")]),
        (json!({ "inputs": [{ "key": "total" }] }), vec![("/inputs", "cycle")]),
        (json!({ "inputs": [{ "key": "number" }, { "key": "number" }] }), vec![("/inputs/1/key", "repeated")]),
        (json!({ "inputs": [{ "key": "one" }] }), vec![("/inputs/0/points", "incomplete")]),
        (
            json!({ "inputs": [{ "key": "one", "points": points(&["a", "b"]) }] }),
            vec![("/inputs/0/points", "incomplete")],
        ),
        (
            json!({ "inputs": [{ "key": "one", "points": points(&["a", "b", "c", "d", "a"]) }] }),
            vec![("/inputs/0/points/3/option", "option"), ("/inputs/0/points/4/option", "repeated")],
        ),
        (
            json!({ "formula": "count", "inputs": [{ "key": "one", "points": points(&["a", "b", "c"]) }] }),
            vec![("/inputs/0/points", "not_applicable"), ("/inputs/0/counted_options", "required")],
        ),
        (json!({ "formula": "count" }), vec![("/inputs/0/counted_from", "required")]),
        (
            json!({ "bands": [
            { "key": "a", "label": "A", "from": "0", "to": "4" },
            { "key": "b", "label": "B", "from": "4", "to": "3" },
            { "key": "b", "label": "C", "from": "9" },
            { "key": "d", "label": "D", "from": "20" },
        ] }),
            vec![
                ("/bands/1/to", "range"),
                ("/bands/2/key", "repeated"),
                ("/bands/1/from", "overlap"),
                ("/bands/3/from", "overlap"),
            ],
        ),
    ] {
        assert_eq!(of_score(more.clone()), expected(&faults), "{more}");
    }
}

#[test]
fn prefill_fits_the_field_and_write_back_needs_a_custom_field_of_patients() {
    let library = Library(
        [((1, 1), "date"), ((100, 1), "date")]
            .map(|(key, kind)| (key, json!({ "field_type": kind, "label": "Pinned", "phi": true })))
            .map(|(key, body)| (key, crate::domain::field::FieldDefinition::parse_from_json(Some(body)).ok().unwrap()))
            .into(),
    );
    let pinned = |id: i64, more: Value| {
        let mut field = json!({ "custom_field": { "id": id, "version": 1 }, "write_back": true });
        merge(&mut field, more);
        json!({ "key": format!("pinned_{id}"), "field": field })
    };
    let profile = |key: &str| json!({ "prefill": { "profile": key } });
    let body = form(json!([
        pinned(1, json!({ "prefill": { "patient": "date_of_birth" } })),
        pinned(100, json!({ "prefill": { "patient": "email" } })),
        item("same", "date", json!({ "field": profile("blood_group") })),
        item("other", "text", json!({ "field": profile("blood_group") })),
        item("unknown", "text", json!({ "field": profile("nothing") })),
        item("neither", "text", json!({ "field": { "prefill": {} } })),
        item("open", "date", json!({ "field": {
            "definition": { "phi": false }, "prefill": { "patient": "date_of_birth" },
        } })),
        item("open_profile", "date", json!({ "field": {
            "definition": { "phi": false }, "prefill": { "profile": "blood_group" },
        } })),
        { "key": "again", "field": { "custom_field": { "id": 1, "version": 1 }, "write_back": true } },
    ]));
    let faults = Compiled::build(&definition(body), &library).unwrap_err();
    assert_eq!(
        pairs(&faults),
        expected(&[
            ("/sections/0/items/1/field/write_back", "not_applicable"),
            ("/sections/0/items/1/field/prefill/patient", "type"),
            ("/sections/0/items/3/field/prefill/profile", "type"),
            ("/sections/0/items/4/field/prefill/profile", "unknown_reference"),
            ("/sections/0/items/5/field/prefill", "one_of"),
            ("/sections/0/items/6/field/prefill/patient", "phi"),
            ("/sections/0/items/7/field/prefill/profile", "phi"),
            ("/sections/0/items/8/field/write_back", "repeated"),
        ])
    );
}

#[test]
fn a_file_is_not_required_before_it_can_be_stored() {
    let required = |key: &str, kind: &str| item(key, kind, json!({ "field": { "required": true } }));
    assert_eq!(
        faults_of(form(json!([required("a", "file"), required("b", "signature"), item("c", "file", json!({}))]))),
        expected(&[
            ("/sections/0/items/0/field/required", "not_supported"),
            ("/sections/0/items/1/field/required", "not_supported"),
        ])
    );
}

#[test]
fn items_are_bounded_and_needed() {
    let section = |key: usize, items: Vec<Value>| json!({ "key": format!("s{key}"), "label": "S", "items": items });
    let many = |count: usize| {
        let items = |of: usize| -> Vec<Value> {
            (0..(count - of * 200).min(200)).map(|place| text(&format!("i{of}_{place}"), Value::Null)).collect()
        };
        let sections: Vec<Value> = (0..count.div_ceil(200)).map(|of| section(of, items(of))).collect();
        json!({ "language": "en", "sections": sections })
    };
    assert!(built(many(1000)).is_ok());
    assert_eq!(faults_of(many(1001)), expected(&[("/sections", "max_items")]));
    assert_eq!(faults_of(json!({ "language": "en", "sections": [] })), expected(&[("/sections", "min_items")]));
}

#[test]
fn fields_and_conditions_are_bounded_with_the_entries_of_their_groups() {
    // Each of the fields has this many conditions, the outermost one counted.
    let groups = |count: usize, fields: usize, conditions: usize| {
        let parts = vec![json!({ "op": "is_empty", "field": "first" }); conditions.saturating_sub(1)];
        let visible_if = if parts.is_empty() { Value::Null } else { json!({ "op": "or", "conditions": parts }) };
        let field = |place: usize| item(&format!("f{place}"), "text", json!({ "visible_if": visible_if }));
        let fields: Vec<Value> = (0..fields).map(field).collect();
        let group = |place: usize| {
            let group = json!({ "label": "Group", "max_entries": 50, "items": fields });
            json!({ "key": format!("g{place}"), "group": group })
        };
        let mut items: Vec<Value> = (0..count).map(group).collect();
        items.push(item("first", "text", json!({})));
        faults_of(form(json!(items)))
    };
    let too_many = expected(&[("/sections", "max_items")]);
    assert_eq!(groups(1, 100, 0), expected(&[]));
    assert_eq!(groups(2, 100, 0), too_many, "2 × 100 × 50 fields, and one");
    assert_eq!(groups(1, 10, 40), expected(&[]));
    assert_eq!(groups(1, 10, 41), too_many, "10 × 41 × 50 conditions");
}

#[test]
fn the_hash_is_of_the_canonical_form() {
    let content = json!({ "b": ["ä", 1], "a": { "d": true, "c": "1.5" } });
    // SHA-256 of {"a":{"c":"1.5","d":true},"b":["ä",1]}
    let expected = "3ab41c0e6f90bc5faa8b82299802bbb8490f848fc1dbf5441c39e6c105b9769b";
    assert_eq!(hex::encode(content_hash(&content)), expected);
    assert_eq!(content_hash(&json!({ "a": { "c": "1.5", "d": true }, "b": ["ä", 1] })), content_hash(&content));
}

#[test]
fn no_signature_is_there_twice() {
    let sign = |signer: &str, meaning: &str| json!({ "signer": signer, "meaning": meaning });
    let mut body = form(json!([item("a", "text", json!({}))]));
    body["signatures"] =
        json!([sign("patient", "consent"), sign("specialist", "consent"), sign("patient", "completion")]);
    assert!(faults_of(body.clone()).is_empty());
    body["signatures"].as_array_mut().unwrap().push(sign("specialist", "consent"));
    assert_eq!(faults_of(body), expected(&[("/signatures/3", "repeated")]));
}

#[test]
fn a_form_without_signatures_is_completed_by_a_specialist() {
    let body = form(json!([item("a", "text", json!({}))]));
    let usual = [FormSigner { signer: SignerRole::Specialist, meaning: SigningMeaning::Completion }];
    assert_eq!(definition(body.clone()).signers(), usual);
    let mut asked = body;
    asked["signatures"] = json!([{ "signer": "patient", "meaning": "review" }]);
    let patient = [FormSigner { signer: SignerRole::Patient, meaning: SigningMeaning::Review }];
    assert_eq!(definition(asked).signers(), patient);
}
