//! Answers that move to another version of their form.

use serde_json::{Value, json};

use super::{compiled, form, item, object};
use crate::domain::{form_definition::Compiled, rules::FieldFaults};

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

/// Moves answers; returns them as they are written then, and the pointers and rules of the faults.
fn moved(before: &Compiled, after: &Compiled, stored: &Value) -> (Value, Vec<String>) {
    let mut faults = FieldFaults::default();
    let answers = after.fits(before, &object(stored.clone()), "/values", &mut faults);
    let faults = faults.list().iter().map(|fault| format!("{} {}", fault.pointer, fault.rule)).collect();
    (json!(after.write(&answers, None)), faults)
}

fn choice(key: &str, options: &[(&str, bool)]) -> Value {
    let option = |(key, retired): &(&str, bool)| json!({ "key": key, "label": key, "retired": retired });
    let options: Vec<Value> = options.iter().map(option).collect();
    item(key, "single_choice", json!({ "field": { "definition": { "options": options } } }))
}

fn group(key: &str, max_entries: i32, items: &Value) -> Value {
    json!({ "key": key, "group": { "label": "Group", "max_entries": max_entries, "items": items } })
}

#[test]
fn answers_that_fit_move_as_they_are() {
    let hidden = json!({ "visible_if": { "op": "equals", "field": "number", "value": "99" } });
    let before = compiled(form(json!([
        item("number", "integer", json!({})),
        item("note", "text", json!({})),
        choice("hand", &[("left", false), ("right", false)]),
        group("drugs", 3, &json!([item("name", "text", json!({})), item("dose", "decimal", json!({}))])),
        item("dropped", "date", json!({})),
    ])));
    let after = compiled(form(json!([
        item("added", "date", json!({ "field": { "required": true } })),
        group("drugs", 2, &json!([item("dose", "decimal", json!({})), item("name", "long_text", json!({}))])),
        choice("hand", &[("left", true), ("right", false)]),
        item("note", "text", hidden),
        item("number", "decimal", json!({})),
    ])));
    let drugs = json!([{ "id": id(2), "name": "B", "dose": "1.5" }, { "id": id(1), "name": "A" }]);
    let stored = json!({ "number": 3, "note": "Hidden then", "hand": "left", "drugs": drugs });
    let (document, faults) = moved(&before, &after, &stored);
    assert_eq!(faults, [""; 0], "an option that is retired stays, an answer that is hidden, too");
    assert_eq!(document, json!({ "drugs": drugs, "hand": "left", "note": "Hidden then", "number": "3" }));
    let (again, faults) = moved(&after, &after, &document);
    assert_eq!((again, faults), (document, Vec::new()));
}

#[test]
fn every_answer_that_does_not_fit_is_named() {
    let before = compiled(form(json!([
        item("gone", "text", json!({})),
        item("text", "text", json!({})),
        item("grouped", "text", json!({})),
        item("weight", "decimal", json!({ "field": { "definition": { "unit": "kg" } } })),
        choice("hand", &[("left", false), ("right", false)]),
        choice("side", &[("left", false), ("right", false)]),
        group("drugs", 3, &json!([item("name", "text", json!({})), item("dose", "decimal", json!({}))])),
        group("visits", 3, &json!([item("on", "date", json!({}))])),
    ])));
    let short = json!({ "field": { "definition": { "validation": { "max_length": 2 } } } });
    let after = compiled(form(json!([
        { "key": "gone", "text": { "text": "Text" } },
        item("text", "text", short.clone()),
        group("grouped", 3, &json!([item("name", "text", json!({}))])),
        item("weight", "decimal", json!({ "field": { "definition": { "unit": "lb" } } })),
        choice("hand", &[("right", false)]),
        item("side", "text", json!({})),
        group("drugs", 1, &json!([item("name", "text", short)])),
    ])));
    let drugs = json!([{ "id": id(1), "name": "Long", "dose": "1" }, { "id": id(2), "name": "B" }]);
    let stored = json!({
        "gone": "x", "text": "Long", "grouped": "x", "weight": "70", "hand": "left", "side": "left", "drugs": drugs,
        "visits": [{ "id": id(3), "on": "2026-03-01" }],
    });
    let (_, faults) = moved(&before, &after, &stored);
    assert_eq!(
        faults,
        [
            "/values/gone unknown".to_owned(),
            "/values/text max_length".to_owned(),
            "/values/grouped unknown".to_owned(),
            "/values/weight unit".to_owned(),
            "/values/hand option".to_owned(),
            "/values/side type".to_owned(),
            "/values/drugs max_items".to_owned(),
            format!("/values/drugs/{}/name max_length", id(1)),
            format!("/values/drugs/{}/dose unknown", id(1)),
            "/values/visits unknown".to_owned(),
        ]
    );
    assert_eq!(moved(&before, &after, &json!({})), (json!({}), Vec::new()), "what has no answer always fits");
}

#[test]
fn an_answer_that_is_protected_stays_protected() {
    let noted = |phi: bool| {
        let definition = json!({ "field": { "definition": { "phi": phi } } });
        let drugs = group("drugs", 2, &json!([item("name", "text", definition.clone())]));
        compiled(form(json!([item("note", "text", definition), drugs])))
    };
    let (protected, open) = (noted(true), noted(false));
    let stored = json!({ "note": "x", "drugs": [{ "id": id(1), "name": "A" }] });
    let (_, faults) = moved(&protected, &open, &stored);
    assert_eq!(faults, ["/values/note phi".to_owned(), format!("/values/drugs/{}/name phi", id(1))]);
    let (document, faults) = moved(&open, &protected, &stored);
    assert_eq!((document, faults), (stored, Vec::new()), "it may become protected");
}
