//! Random definitions and answers, compared with the naive evaluator; and definitions of any content, which are refused
//! without a panic.

use std::collections::BTreeSet;

use poem_openapi::types::{ParseFromJSON as _, ToJSON as _};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{
    Library, form, item,
    naive::{self, Naive},
};
use crate::domain::{
    form_definition::{Compiled, FormDefinition, FormEvaluation, changes},
    rules::FieldFaults,
};

/// Source of decisions: numbers that proptest chose, then zeros.
struct Choices<'n>(std::slice::Iter<'n, u16>);

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % bound.max(1)
    }

    /// Returns `true` once in `of` times.
    fn rarely(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    fn one<'v, T: ?Sized>(&mut self, of: &[&'v T]) -> &'v T {
        of[self.below(of.len())]
    }
}

const KINDS: [&str; 7] = ["boolean", "integer", "decimal", "single_choice", "multiple_choice", "text", "date"];

/// Key and kind of everything that conditions can name: a type, `group` or `score`.
type Names = Vec<(String, &'static str)>;

fn definition(choices: &mut Choices<'_>) -> Value {
    let count = 1 + choices.below(3);
    // The kinds first, so that conditions can look forward.
    let kinds: Vec<Vec<(String, &'static str)>> = (0..count)
        .map(|section| {
            let items = 1 + choices.below(4);
            (0..items).map(|place| (format!("i{section}_{place}"), kind(choices))).collect()
        })
        .collect();
    let names: Names = kinds.concat();
    let sections: Vec<Value> = kinds
        .iter()
        .enumerate()
        .map(|(index, kinds)| {
            let items: Vec<Value> = kinds.iter().map(|(key, kind)| any_item(key, kind, &names, choices)).collect();
            let mut section = json!({ "key": format!("s{index}"), "label": "Section", "items": items });
            maybe_condition(&mut section, "visible_if", &names, 6, choices);
            section
        })
        .collect();
    json!({ "language": "en", "sections": sections })
}

fn kind(choices: &mut Choices<'_>) -> &'static str {
    match choices.below(10) {
        place @ 0..7 => KINDS[place],
        7 => "group",
        _ => "score",
    }
}

fn any_item(key: &str, kind: &str, names: &Names, choices: &mut Choices<'_>) -> Value {
    let mut any = match kind {
        "group" => {
            let inner: Names =
                (0..1 + choices.below(3)).map(|place| (format!("g{place}"), KINDS[choices.below(7)])).collect();
            // Names of the entry hide those outside.
            let seen: Names = [inner.clone(), names.clone()].concat();
            let fields: Vec<Value> = inner.iter().map(|(key, kind)| field(key, kind, &seen, choices)).collect();
            json!({ "key": key, "group": {
                "label": "Group", "min_entries": choices.below(3), "max_entries": 3, "items": fields,
            } })
        }
        "score" => score(key, names, choices),
        kind => return field(key, kind, names, choices),
    };
    maybe_condition(&mut any, "visible_if", names, 3, choices);
    any
}

fn field(key: &str, kind: &str, names: &Names, choices: &mut Choices<'_>) -> Value {
    let bounds = match kind {
        "integer" | "decimal" => json!({ "validation": { "minimum": "-5", "maximum": "10" } }),
        "multiple_choice" => json!({ "validation": { "min_selected": 0 } }),
        _ => json!({}),
    };
    let mut field = item(key, kind, json!({ "field": { "definition": bounds } }));
    maybe_condition(&mut field, "visible_if", names, 3, choices);
    if choices.rarely(3) {
        field["field"]["required"] = json!(true);
    } else {
        maybe_condition(&mut field["field"], "required_if", names, 3, choices);
    }
    field
}

fn maybe_condition(into: &mut Value, name: &str, names: &Names, of: usize, choices: &mut Choices<'_>) {
    if choices.rarely(of) {
        into[name] = condition(names, 3, choices);
    }
}

fn condition(names: &Names, depth: usize, choices: &mut Choices<'_>) -> Value {
    if depth > 0 && choices.rarely(3) {
        let op = choices.one(&["and", "or", "not"]);
        let count = if op == "not" { 1 } else { 1 + choices.below(3) };
        let parts: Vec<Value> = (0..count).map(|_| condition(names, depth - 1, choices)).collect();
        return json!({ "op": op, "conditions": parts });
    }
    let (key, kind) = &names[choices.below(names.len())];
    let order = ["equals", "not_equals", "less", "less_or_equal", "greater", "greater_or_equal", "in", "is_empty"];
    let ops: Vec<&str> = match *kind {
        "boolean" => vec!["equals", "not_equals", "is_empty"],
        "single_choice" => vec!["equals", "not_equals", "in", "is_empty"],
        "multiple_choice" => vec!["contains", "is_empty"],
        "text" => vec!["equals", "not_equals", "in", "is_empty", "contains"],
        _ => order.to_vec(),
    };
    let op = choices.one(&ops);
    let mut test = json!({ "op": op, "field": key });
    match op {
        "is_empty" => {}
        "in" => {
            let mut values: Vec<Value> = Vec::new();
            for _ in 0..1 + choices.below(3) {
                let value = operand(kind, choices);
                // Numbers have several forms, and repeated ones are refused.
                if !values.iter().any(|other| other.to_string().trim_matches('"') == value.to_string().trim_matches('"')) {
                    values.push(value);
                }
            }
            test["values"] = json!(values);
        }
        _ => test["value"] = operand(kind, choices),
    }
    test
}

fn operand(kind: &str, choices: &mut Choices<'_>) -> Value {
    match kind {
        "boolean" => json!(choices.rarely(2)),
        "single_choice" | "multiple_choice" => json!(choices.one(&["a", "b", "c"])),
        "text" => json!(choices.one(&["one", "Öne", "two"])),
        "date" => json!(choices.one(&["2026-01-01", "2026-02-01", "2026-03-01"])),
        "decimal" | "score" => json!(choices.one(&["0", "1", "2.5", "7"])),
        _ => json!(choices.below(4)),
    }
}

fn score(key: &str, names: &Names, choices: &mut Choices<'_>) -> Value {
    let formula = choices.one(&["sum", "mean", "weighted", "count"]);
    let is_count = formula == "count";
    let mut inputs = Vec::new();
    for (name, kind) in names {
        let can_be = matches!(*kind, "boolean" | "integer" | "decimal" | "single_choice" | "multiple_choice" | "score");
        if can_be && name != key && choices.rarely(if *kind == "score" { 4 } else { 2 }) {
            inputs.push(input(name, kind, formula, choices));
        }
    }
    if inputs.is_empty() {
        return json!({ "key": key, "text": { "text": "No input" } });
    }
    let may_miss = choices.below(inputs.len().min(3));
    let mut score = json!({ "label": "Score", "formula": formula, "inputs": inputs, "may_miss": may_miss });
    if may_miss > 0 && !is_count && formula != "mean" {
        score["if_missing"] = json!(choices.one(&["omit", "prorate"]));
    }
    for (name, of) in [("multiplier", ["2", "-1.5"]), ("divisor", ["3", "4"]), ("offset", ["-2", "0.25"])] {
        if choices.rarely(3) {
            score[name] = json!(choices.one(&of));
        }
    }
    score["decimals"] = json!(choices.below(4));
    json!({ "key": key, "score": score })
}

fn input(key: &str, kind: &str, formula: &str, choices: &mut Choices<'_>) -> Value {
    let mut input = json!({ "key": key });
    match (formula, kind) {
        ("count", "single_choice" | "multiple_choice") => input["counted_options"] = json!(["a", "c"]),
        ("count", "boolean") => {}
        ("count", _) => input["counted_from"] = json!(choices.one(&["1", "2.5"])),
        (_, "single_choice" | "multiple_choice") => {
            let points = ["a", "b", "c"].map(|option| {
                json!({ "option": option, "points": choices.one(&["0", "1", "2.5", "-1"]) })
            });
            input["points"] = json!(points);
        }
        _ => {}
    }
    if formula == "weighted" {
        input["weight"] = json!(choices.one(&["1", "2", "0.5"]));
    }
    if formula != "count" && !matches!(kind, "multiple_choice" | "score") && choices.rarely(3) {
        input["reverse"] = json!(true);
    }
    if choices.rarely(3) {
        input["hidden"] = json!("points");
        input["hidden_points"] = json!(choices.one(&["0", "1", "3.5"]));
    }
    input
}

/// Returns answers in their form, some missing.
fn answers(definition: &Value, choices: &mut Choices<'_>) -> Map<String, Value> {
    let mut answers = Map::new();
    let items = definition["sections"].as_array().into_iter().flatten().flat_map(|section| {
        section["items"].as_array().into_iter().flatten()
    });
    for item in items {
        let key = item["key"].as_str().unwrap_or_default().to_owned();
        if item["field"].is_object() && !choices.rarely(3) {
            answers.insert(key, answer(&item["field"], choices));
        } else if item["group"].is_object() {
            let entries: Vec<Value> = (0..choices.below(4)).map(|number| entry(item, number, choices)).collect();
            answers.insert(key, json!(entries));
        }
    }
    answers
}

fn entry(group: &Value, number: usize, choices: &mut Choices<'_>) -> Value {
    let mut entry = json!({ "id": format!("00000000-0000-4000-8000-{number:012}") });
    for inner in group["group"]["items"].as_array().into_iter().flatten() {
        if !choices.rarely(3) {
            entry[inner["key"].as_str().unwrap_or_default()] = answer(&inner["field"], choices);
        }
    }
    entry
}

fn answer(field: &Value, choices: &mut Choices<'_>) -> Value {
    match field["definition"]["field_type"].as_str().unwrap_or_default() {
        "integer" => json!(choices.below(8)),
        "decimal" => json!(choices.one(&["0", "-1.25", "2.5", "7"])),
        "multiple_choice" => json!(choices.one::<[&str]>(&[&[], &["a"], &["b", "c"], &["a", "b", "c"]])),
        kind => operand(kind, choices),
    }
}

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
            for field in &fields {
                let mut inner = BTreeSet::new();
                collect(&field["visible_if"], "", &mut inner);
                let own = |wanted: &String| fields.iter().any(|field| field["key"].to_string() == *wanted);
                let within = |name: &str| format!("{key}/{name}");
                edges.extend(
                    inner
                        .into_iter()
                        .filter(|(_, wanted)| own(wanted))
                        .map(|(_, wanted)| (within(&field["key"].to_string()), within(&wanted))),
                );
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
    #![proptest_config(ProptestConfig::with_cases(2_000))]

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
        prop_assert!(changes(&read, &read).is_empty(), "{written}");
        let Ok(compiled) = Compiled::build(&read, &Library::default()) else { return Ok(()) };
        let document = answers(&written, &mut Choices(numbers.iter().rev().copied().collect::<Vec<_>>().iter()));
        let mut faults = FieldFaults::default();
        let answers = compiled.read(&document, None, "", &mut faults);
        let evaluation = compiled.evaluate(&answers);
        compiled.report(&answers, &evaluation, "", &faults);
        compiled.require(&evaluation, "", &mut faults);
        compiled.write(&answers, Some(&evaluation));
    }
}

/// Returns answers in the order of the items, without lists of entries that are empty.
fn ordered(definition: &Value, answers: &Map<String, Value>) -> Value {
    let mut ordered = Map::new();
    for section in definition["sections"].as_array().into_iter().flatten() {
        for item in section["items"].as_array().into_iter().flatten() {
            let key = item["key"].as_str().unwrap_or_default();
            if let Some(answer) = answers.get(key) {
                ordered.insert(key.to_owned(), answer.clone());
            }
        }
    }
    Value::Object(ordered)
}

/// Replaces the value that is `left` values further, or a name in it.
fn damaged(value: &mut Value, left: &mut usize, name: u16, by: u16) {
    const NAMES: [&str; 12] = [
        "field", "group", "score", "text", "visible_if", "op", "value", "values", "conditions", "key", "inputs", "points",
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
            Value::Object(fields) if by % 2 == 0 => {
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
