//! Tests of the engine: faults of definitions, conditions, scores, answers, partial saves, moves to another version,
//! and a comparison with a naive evaluator.

mod answer;
mod change;
mod condition;
mod fault;
mod fit;
mod language;
mod naive;
mod patch;
mod property;
mod random;
mod score;
mod submit;

use std::collections::BTreeMap;

use poem_openapi::types::ParseFromJSON as _;
use serde_json::{Map, Value, json};
use server_shared::value::Key;

use super::{Compiled, FieldLibrary, FormDefinition, FormEvaluation, answers::Answers, evaluate::Evaluation};
use crate::{
    domain::{field::FieldDefinition, rules::FieldFaults},
    ids::CustomFieldId,
};

/// Custom fields of patients, by id and version; the key of the field with id 1 is `blood_group`.
#[derive(Default)]
struct Library(BTreeMap<(i64, i32), FieldDefinition>);

impl FieldLibrary for Library {
    fn field(&self, id: CustomFieldId, version: i32) -> Option<&FieldDefinition> {
        self.0.get(&(id.0, version))
    }

    /// Fields from id 100 on are of appointments.
    fn is_of_patient(&self, id: CustomFieldId) -> bool {
        id.0 < 100
    }

    fn profile(&self, key: &Key) -> Option<&FieldDefinition> {
        (key.as_str() == "blood_group").then(|| self.0.values().next()).flatten()
    }
}

/// Reads a definition as a body has it.
fn definition(value: Value) -> FormDefinition {
    FormDefinition::parse_from_json(Some(value)).unwrap_or_else(|error| panic!("{}", error.into_message()))
}

/// A form with one section of these items.
#[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
fn form(items: Value) -> Value {
    json!({ "language": "en", "sections": [{ "key": "main", "label": "Main", "items": items }] })
}

fn field_definition(more: Value) -> Value {
    let mut body = json!({ "label": "Field", "phi": true });
    merge(&mut body, more);
    if body["field_type"].as_str().is_some_and(|kind| kind.ends_with("_choice")) && body.get("options").is_none() {
        body["options"] = json!(["a", "b", "c"].map(|key| json!({ "key": key, "label": key })));
    }
    body
}

/// A field item of a type; `more` is merged into the item.
fn item(key: &str, kind: &str, more: Value) -> Value {
    let mut item = json!({ "key": key, "field": { "definition": field_definition(json!({ "field_type": kind })) } });
    merge(&mut item, more);
    item
}

/// Merges objects, deeply.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn compiled(value: Value) -> Compiled {
    built(value).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Builds a definition; returns the pointers and rules of its faults.
fn built(value: Value) -> Result<Compiled, Vec<(String, String)>> {
    Compiled::build(&definition(value), &Library::default()).map_err(|faults| pairs(&faults))
}

fn faults_of(value: Value) -> Vec<(String, String)> {
    built(value).err().unwrap_or_default()
}

fn pairs(faults: &FieldFaults) -> Vec<(String, String)> {
    faults.list().iter().map(|fault| (fault.pointer.clone(), fault.rule.to_string())).collect()
}

fn expected(faults: &[(&str, &str)]) -> Vec<(String, String)> {
    faults.iter().map(|(pointer, rule)| ((*pointer).to_owned(), (*rule).to_owned())).collect()
}

/// Reads answers that have no fault, and evaluates them.
fn evaluated(compiled: &Compiled, answers: Value) -> (Answers, Evaluation) {
    let (answers, faults) = read(compiled, answers);
    assert!(faults.list().is_empty(), "{faults:?}");
    let evaluation = compiled.evaluate(&answers);
    (answers, evaluation)
}

fn read(compiled: &Compiled, answers: Value) -> (Answers, FieldFaults) {
    let mut faults = FieldFaults::default();
    let answers = compiled.read(&object(answers), None, "", &mut faults);
    (answers, faults)
}

fn reported(compiled: &Compiled, answers: Value) -> FormEvaluation {
    let (answers, faults) = read(compiled, answers);
    compiled.report(&answers, &compiled.evaluate(&answers), "", &faults)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// Returns the keys of visible items, those in entries as `group/entry's place/key`.
fn visible(compiled: &Compiled, answers: Value) -> Vec<String> {
    let report = reported(compiled, answers);
    let states = report.items.iter().filter(|item| item.visible && item.group.is_none());
    states.map(|item| item.key.as_str().to_owned()).collect()
}
