use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use server_shared::value::Key;

use super::{compiled, evaluated, expected, form, item, object, pairs};
use crate::domain::{
    form_definition::{Compiled, OpenValue},
    rules::FieldFaults,
};

const ENTRY: &str = "01923f5e-7c1a-7b1e-9d3f-5a6b7c8d9e0f";

/// A form with an open and a protected field, a group, and a score that reads the protected field.
fn rehabilitation() -> Compiled {
    let open = json!({ "field": { "definition": { "phi": false } } });
    compiled(form(json!([
        item("sport", "text", open),
        item("pain", "integer", json!({ "field": { "required": true } })),
        item("more", "text", json!({
            "visible_if": { "op": "equals", "field": "sport", "value": "none" },
            "field": { "definition": { "phi": false } },
        })),
        { "key": "total", "score": { "label": "Total", "formula": "sum", "inputs": [{ "key": "pain" }] } },
        { "key": "medication", "group": { "label": "Medication", "max_entries": 2, "items": [
            item("name", "text", json!({ "field": { "required": true, "definition": { "phi": false } } })),
            item("dose", "text", json!({ "visible_if": { "op": "equals", "field": "name", "value": "x" } })),
        ] } },
    ])))
}

/// Returns the open answers as `key`, `group/entry/key` or `score key`, with their values.
fn open(compiled: &Compiled, answers: Value, cleared: &[Key]) -> Vec<(String, Value)> {
    let (answers, evaluation) = evaluated(compiled, answers);
    let open = compiled.open_answers(&answers, &evaluation, cleared);
    let describe = |answer: &crate::domain::form_definition::OpenAnswer<'_>| {
        let within = answer.within.map(|(group, entry)| format!("{}/{entry}/", group.as_str())).unwrap_or_default();
        match answer.value {
            OpenValue::Answer(value) => (format!("{within}{}", answer.key.as_str()), value.to_json()),
            OpenValue::Score { value, .. } => (format!("score {}", answer.key.as_str()), json!(value.to_string())),
        }
    };
    open.iter().map(describe).collect()
}

#[test]
fn missing_answers_are_named_by_the_ids_of_their_entries() {
    let compiled = rehabilitation();
    let (answers, evaluation) = evaluated(&compiled, json!({ "medication": [{ "id": ENTRY }] }));
    let mut faults = FieldFaults::default();
    compiled.require_by_entry(&answers, &evaluation, "/values", &mut faults);
    let name = format!("/values/medication/{ENTRY}/name");
    assert_eq!(pairs(&faults), expected(&[("/values/pain", "required"), (&*name, "required")]));
}

#[test]
fn hidden_answers_are_named_by_their_places() {
    let compiled = rehabilitation();
    let given = json!({ "more": "text", "medication": [{ "id": ENTRY, "name": "y", "dose": "2" }] });
    let (answers, evaluation) = evaluated(&compiled, given);
    let hidden = compiled.hidden_places(&answers, &evaluation);
    assert_eq!(hidden, ["more".to_owned(), format!("medication/{ENTRY}/dose")]);
}

#[test]
fn nothing_protected_or_hidden_is_open() {
    let compiled = rehabilitation();
    let given = json!({ "sport": "judo", "pain": 4, "more": "text", "medication": [{ "id": ENTRY, "name": "x" }] });
    let name = format!("medication/{ENTRY}/name");
    let shown = [("sport".to_owned(), json!("judo")), (name, json!("x"))];
    assert_eq!(open(&compiled, given.clone(), &[]), shown);
    let cleared = open(&compiled, given, &[Key::from_static("total")]);
    assert_eq!(cleared.last(), Some(&("score total".to_owned(), json!("4"))));
}

#[test]
fn an_answer_that_a_protected_one_shows_is_not_open() {
    let when = |field: &str| json!({ "op": "equals", "field": field, "value": "x" });
    let unprotected = |key: &str, when: Value| {
        item(key, "text", json!({ "visible_if": when, "field": { "definition": { "phi": false } } }))
    };
    let compiled = compiled(form(json!([
        item("secret", "text", json!({})),
        item("plain", "text", json!({ "field": { "definition": { "phi": false } } })),
        unprotected("by_secret", when("secret")),
        unprotected("by_that", when("by_secret")),
        unprotected("by_plain", when("plain")),
        { "key": "drugs", "group": { "label": "Drugs", "max_entries": 2, "items": [
            item("name", "text", json!({})),
            unprotected("by_name", when("name")),
            unprotected("by_that_name", when("by_name")),
            unprotected("by_outer", when("secret")),
            unprotected("dose", when("plain")),
        ] } },
    ])));
    let given = json!({
        "secret": "x", "plain": "x", "by_secret": "x", "by_that": "x", "by_plain": "x",
        "drugs": [{
            "id": ENTRY, "name": "x", "by_name": "x", "by_that_name": "x", "by_outer": "x", "dose": "x",
        }],
    });
    let places = ["plain".to_owned(), "by_plain".to_owned(), format!("drugs/{ENTRY}/dose")];
    assert_eq!(open(&compiled, given, &[]), places.map(|place| (place, json!("x"))));
    assert_eq!(compiled.keys_shown_by_protected(&[]), BTreeSet::from(["by_secret", "by_that"]));
}

#[test]
fn stored_answers_are_read_as_they_were_written() {
    let compiled = rehabilitation();
    let given = json!({ "sport": "judo", "pain": 4, "medication": [{ "id": ENTRY, "name": "x", "dose": "2" }] });
    let (answers, _) = evaluated(&compiled, given.clone());
    let stored: Map<String, Value> = compiled.write(&answers, None);
    assert_eq!(stored, object(given));
    assert_eq!(compiled.write(&compiled.read_stored(&stored), None), stored);
}
