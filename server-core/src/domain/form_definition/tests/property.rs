//! Random definitions and answers, compared with the naive evaluator; and definitions of any content, which are refused
//! without a panic.

use std::collections::BTreeSet;

use poem_openapi::types::{ParseFromJSON as _, ToJSON as _};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{
    Library,
    naive::{self, Naive},
    random::{Choices, answers, definition},
};
use crate::domain::{
    form_definition::{Compiled, FormDefinition, FormEvaluation, changes},
    rules::FieldFaults,
};

fn build(body: &Value) -> Result<Compiled, FieldFaults> {
    let definition = FormDefinition::parse_from_json(Some(body.clone()));
    Compiled::build(&definition.unwrap_or_else(|error| panic!("{}", error.into_message())), &Library::default())
}

/// Writes a report as the naive evaluator does.
fn as_naive(report: &FormEvaluation) -> Naive {
    let mut naive = Naive::default();
    for section in &report.sections {
        naive.visible.insert(format!("section/{}", section.key.as_str()), section.visible);
    }
    for item in &report.items {
        let place = item.entry.map(|id| id.as_u128() & 0xff);
        let path = match (&item.group, place) {
            (Some(group), Some(place)) => format!("{}/{place}/{}", group.as_str(), item.key.as_str()),
            _ => item.key.as_str().to_owned(),
        };
        naive.visible.insert(path.clone(), item.visible);
        naive.required.insert(path.clone(), item.required);
        naive.missing.insert(path, item.missing);
    }
    for score in &report.scores {
        naive.scores.insert(score.key.as_str().to_owned(), score.value.map(|value| value.to_string()));
    }
    naive
}

/// Returns `true` if something depends on itself: a plain search from each thing.
fn has_cycle(definition: &Value) -> bool {
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for section in definition["sections"].as_array().into_iter().flatten() {
        let of_section = format!("section/{}", section["key"]);
        collect(&section["visible_if"], &of_section, &mut edges);
        for item in section["items"].as_array().into_iter().flatten() {
            let key = item["key"].to_string();
            edges.insert((key.clone(), of_section.clone()));
            collect(&item["visible_if"], &key, &mut edges);
            for input in item["score"]["inputs"].as_array().into_iter().flatten() {
                edges.insert((key.clone(), input["key"].to_string()));
            }
            let fields: Vec<&Value> = item["group"]["items"].as_array().into_iter().flatten().collect();
            let keys: Vec<String> = fields.iter().map(|field| field["key"].to_string()).collect();
            for (field, name) in fields.iter().zip(&keys) {
                let mut inner = BTreeSet::new();
                collect(&field["visible_if"], name, &mut inner);
                let within = inner.into_iter().filter(|(_, wanted)| keys.contains(wanted));
                edges.extend(within.map(|(from, to)| (format!("{key}/{from}"), format!("{key}/{to}"))));
            }
        }
    }
    let reaches = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut left = vec![start.clone()];
        while let Some(node) = left.pop() {
            for (_, next) in edges.iter().filter(|(from, _)| *from == node) {
                if next == start {
                    return true;
                }
                if seen.insert(next.clone()) {
                    left.push(next.clone());
                }
            }
        }
        false
    };
    edges.iter().any(|(from, _)| reaches(from))
}

fn collect(condition: &Value, of: &str, edges: &mut BTreeSet<(String, String)>) {
    if let Some(field) = condition.get("field") {
        edges.insert((of.to_owned(), field.to_string()));
    }
    for part in condition["conditions"].as_array().into_iter().flatten() {
        collect(part, of, edges);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn evaluation_agrees_with_the_naive_one(numbers in vec(any::<u16>(), 0..400)) {
        let mut choices = Choices(numbers.iter());
        let body = definition(&mut choices);
        let compiled = match build(&body) {
            Ok(compiled) => compiled,
            Err(faults) => {
                prop_assert!(has_cycle(&body), "refused without a cycle: {faults:?} {body}");
                prop_assert!(faults.list().iter().all(|fault| fault.rule == "cycle"), "{faults:?} {body}");
                return Ok(());
            }
        };
        prop_assert!(!has_cycle(&body), "a cycle was not found: {body}");
        let document = answers(&body, &mut choices);
        let mut faults = FieldFaults::default();
        let read = compiled.read(&document, None, "", &mut faults);
        prop_assert!(faults.list().is_empty(), "{faults:?}");
        let evaluation = compiled.evaluate(&read);
        let report = compiled.report(&read, &evaluation, "", &faults);
        let mut expected = naive::evaluate(&body, &Value::Object(document.clone())).expect("it settles");
        let found = as_naive(&report);
        // The report also has texts and scores, which are never required.
        for path in found.required.keys() {
            expected.required.entry(path.clone()).or_insert(false);
            expected.missing.entry(path.clone()).or_insert(false);
        }
        prop_assert_eq!(&found, &expected, "{} {}", body, json!(document));

        // Dropping the hidden answers changes nothing that is shown.
        let submitted = compiled.write(&read, Some(&evaluation));
        let again = compiled.read(&submitted, None, "", &mut faults);
        prop_assert!(faults.list().is_empty(), "{faults:?}");
        let again_report = compiled.report(&again, &compiled.evaluate(&again), "", &faults);
        prop_assert!(again_report.hidden_answers.is_empty());
        let shown = |report: &FormEvaluation| as_naive(report).scores;
        prop_assert_eq!(shown(&again_report), shown(&report));

        // A draft keeps everything.
        prop_assert_eq!(Value::Object(compiled.write(&read, None)), ordered(&body, &document));
    }

    #[test]
    fn definitions_of_any_content_are_refused_or_compiled(
        numbers in vec(any::<u16>(), 0..200),
        damage in vec((any::<u16>(), any::<u16>(), any::<u16>()), 1..6),
    ) {
        let mut body = definition(&mut Choices(numbers.iter()));
        for (node, name, value) in damage {
            damaged(&mut body, &mut usize::from(node % 200), name, value);
        }
        let Ok(read) = FormDefinition::parse_from_json(Some(body.clone())) else { return Ok(()) };
        let written = read.to_json().unwrap_or_default();
        let differences = changes(&read, &read);
        let Ok(compiled) = Compiled::build(&read, &Library::default()) else { return Ok(()) };
        prop_assert!(differences.is_empty(), "{differences:?} {written}");
        let document = answers(&written, &mut Choices(numbers.iter().rev().copied().collect::<Vec<_>>().iter()));
        let mut faults = FieldFaults::default();
        let answers = compiled.read(&document, None, "", &mut faults);
        let evaluation = compiled.evaluate(&answers);
        compiled.report(&answers, &evaluation, "", &faults);
        compiled.require(&evaluation, "", &mut faults);
        compiled.write(&answers, Some(&evaluation));
    }
}

/// Returns answers in the order of the items, without groups that have no entry.
pub(super) fn ordered(definition: &Value, answers: &Map<String, Value>) -> Value {
    let mut ordered = Map::new();
    for section in definition["sections"].as_array().into_iter().flatten() {
        for item in section["items"].as_array().into_iter().flatten() {
            let key = item["key"].as_str().unwrap_or_default();
            let is_group = item["group"].is_object();
            if let Some(answer) = answers.get(key).filter(|answer| !is_group || **answer != json!([])) {
                ordered.insert(key.to_owned(), answer.clone());
            }
        }
    }
    Value::Object(ordered)
}

/// Replaces the value that is `left` values further, or a name in it.
fn damaged(value: &mut Value, left: &mut usize, name: u16, by: u16) {
    const NAMES: [&str; 12] = [
        "field",
        "group",
        "score",
        "text",
        "visible_if",
        "op",
        "value",
        "values",
        "conditions",
        "key",
        "inputs",
        "points",
    ];
    if *left == 0 {
        let other = match by % 9 {
            0 => json!(null),
            1 => json!("i0_0"),
            2 => json!("not"),
            3 => json!(by),
            4 => json!([]),
            5 => json!({ "op": "is_empty", "field": "i0_1" }),
            6 => json!("-0.0000000001"),
            7 => json!([{ "op": "and", "conditions": [{ "op": "equals", "field": "g0", "value": true }] }]),
            _ => json!(true),
        };
        match value {
            Value::Object(fields) if by.is_multiple_of(2) => {
                fields.insert(NAMES[usize::from(name) % NAMES.len()].to_owned(), other);
            }
            value => *value = other,
        }
        *left = usize::MAX;
        return;
    }
    *left -= 1;
    let inner: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Object(fields) => Box::new(fields.values_mut()),
        Value::Array(items) => Box::new(items.iter_mut()),
        _ => return,
    };
    for inner in inner {
        if *left == usize::MAX {
            return;
        }
        damaged(inner, left, name, by);
    }
}
