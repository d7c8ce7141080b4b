//! Random definitions and answers to them.

use serde_json::{Map, Value, json};
use server_shared::value::folded;

use super::item;

/// Source of decisions: numbers that proptest chose, then zeros.
pub(super) struct Choices<'n>(pub(super) std::slice::Iter<'n, u16>);

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

/// Key of a field that is always there, so that every score can have an input.
const BASE: &str = "base";
const KINDS: [&str; 7] = ["boolean", "integer", "decimal", "single_choice", "multiple_choice", "text", "date"];

/// Key and kind of something that conditions can name: a type, `group` or `score`.
type Named = (String, &'static str);

/// Returns a definition; it may have cycles, and no other faults.
pub(super) fn definition(choices: &mut Choices<'_>) -> Value {
    let count = 1 + choices.below(3);
    // The kinds first, so that conditions can look forward.
    let kinds: Vec<Vec<Named>> = (0..count)
        .map(|section| {
            let items = 1 + choices.below(4);
            (0..items).map(|place| (format!("i{section}_{place}"), kind(choices))).collect()
        })
        .collect();
    let mut names: Vec<Named> = kinds.concat();
    names.push((BASE.to_owned(), "integer"));
    let sections: Vec<Value> = kinds
        .iter()
        .enumerate()
        .map(|(index, kinds)| {
            let mut items: Vec<Value> = kinds.iter().map(|(key, kind)| any_item(key, kind, &names, choices)).collect();
            if index == 0 {
                items.push(field(BASE, "integer", &[], choices));
            }
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

fn any_item(key: &str, kind: &str, names: &[Named], choices: &mut Choices<'_>) -> Value {
    let mut any = match kind {
        "group" => {
            let inner: Vec<Named> =
                (0..=choices.below(3)).map(|place| (format!("g{place}"), KINDS[choices.below(7)])).collect();
            // Names of the entry hide those outside.
            let seen: Vec<Named> = [inner.as_slice(), names].concat();
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

fn field(key: &str, kind: &str, names: &[Named], choices: &mut Choices<'_>) -> Value {
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

fn maybe_condition(into: &mut Value, name: &str, names: &[Named], of: usize, choices: &mut Choices<'_>) {
    if !names.is_empty() && choices.rarely(of) {
        into[name] = condition(names, 3, choices);
    }
}

fn condition(names: &[Named], depth: usize, choices: &mut Choices<'_>) -> Value {
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
            for _ in 0..=choices.below(3) {
                let value = operand(kind, choices);
                // Repeated ones are refused, also if they only differ in accents.
                if !values.iter().any(|other| folded(&other.to_string()) == folded(&value.to_string())) {
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

fn score(key: &str, names: &[Named], choices: &mut Choices<'_>) -> Value {
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
        inputs.push(input(BASE, "integer", formula, choices));
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
            let points = ["a", "b", "c"]
                .map(|option| json!({ "option": option, "points": choices.one(&["0", "1", "2.5", "-1"]) }));
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
pub(super) fn answers(definition: &Value, choices: &mut Choices<'_>) -> Map<String, Value> {
    let mut answers = Map::new();
    let items = definition["sections"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|section| section["items"].as_array().into_iter().flatten());
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
