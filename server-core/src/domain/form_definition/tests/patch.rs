//! Partial saves.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{
    Library, compiled, definition, form, item, object,
    property::ordered,
    random::{self, Choices},
};
use crate::domain::{
    form_definition::{Compiled, patch::Patch},
    rules::FieldFaults,
};

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

fn medication() -> Compiled {
    compiled(form(json!([
        item("smokes", "boolean", json!({})),
        item("cigarettes", "integer", json!({ "visible_if": { "op": "equals", "field": "smokes", "value": true } })),
        { "key": "total", "score": { "label": "Total", "formula": "sum", "inputs": [{ "key": "cigarettes" }] } },
        { "key": "text", "text": { "text": "Text" } },
        { "key": "drugs", "group": { "label": "Drugs", "max_entries": 3, "items": [
            item("name", "text", json!({})),
            item("dose", "decimal", json!({})),
        ] } },
    ])))
}

fn saved(compiled: &Compiled, stored: &Value, changes: Value) -> (Patch, FieldFaults) {
    let mut faults = FieldFaults::default();
    let changes: BTreeMap<String, Value> = object(changes).into_iter().collect();
    (compiled.patch(&object(stored.clone()), &changes, "/values", &mut faults), faults)
}

/// Returns the pointers and rules of the faults of a save.
fn refused(compiled: &Compiled, stored: &Value, changes: Value) -> Vec<String> {
    let (_, faults) = saved(compiled, stored, changes);
    faults.list().iter().map(|fault| format!("{} {}", fault.pointer, fault.rule)).collect()
}

/// Saves changes without a fault; returns the document, and the places with `+` for a change and `-` for a deletion.
fn patched(stored: &Value, changes: Value) -> (Value, Vec<String>) {
    let (patch, faults) = saved(&medication(), stored, changes);
    assert!(faults.list().is_empty(), "{faults:?}");
    let mark = |is: bool, mark: &str| if is { mark.to_owned() } else { String::new() };
    let places = patch.places.iter();
    let places = places.map(|at| at.place.clone() + &mark(at.changed, " +") + &mark(at.deleted, " -")).collect();
    (json!(patch.document), places)
}

#[test]
fn a_save_changes_nothing_but_the_fields_that_it_names() {
    let stored = json!({ "smokes": true, "cigarettes": 5, "drugs": [{ "id": id(1), "name": "A", "dose": "1.5" }] });
    let drugs = json!({ id(1): { "dose": "2.50" } });
    let (document, places) = patched(&stored, json!({ "smokes": null, "drugs": drugs }));
    let drugs = json!([{ "id": id(1), "name": "A", "dose": "2.5" }]);
    assert_eq!(document, json!({ "cigarettes": 5, "drugs": drugs }), "a hidden answer stays");
    assert_eq!(places, [format!("drugs/{}/dose +", id(1)), "smokes +".to_owned()]);
    let (again, places) = patched(&document, json!({ "smokes": null, "drugs": { id(1): { "dose": 2.5 } } }));
    assert_eq!(again, document);
    assert_eq!(places, [format!("drugs/{}/dose", id(1)), "smokes".to_owned()], "another spelling is no change");
    assert_eq!(patched(&stored, json!({})), (stored, Vec::new()));
}

#[test]
fn deleting_an_entry_leaves_the_others_untouched() {
    let drugs = [1, 2, 3].map(|number| json!({ "id": id(number), "name": format!("Drug {number}") }));
    let stored = json!({ "drugs": drugs });
    let (document, places) = patched(&stored, json!({ "drugs": { id(2): null } }));
    assert_eq!(document, json!({ "drugs": [drugs[0], drugs[2]] }));
    assert_eq!(places, [format!("drugs/{} + -", id(2))]);
    let (again, places) = patched(&document, json!({ "drugs": { id(2): null } }));
    assert_eq!((again, places), (document, vec![format!("drugs/{} -", id(2))]), "it is deleted already");
    let all = json!({ "drugs": { id(1): null, id(2): null, id(3): null } });
    assert_eq!(patched(&stored, all).0, json!({}), "a group without entries is like one that was never answered");
}

#[test]
fn unknown_ids_add_entries_at_the_end() {
    let stored = json!({ "drugs": [{ "id": id(9), "name": "First" }] });
    let added = json!({ id(5): { "name": "Second" }, id(1).to_uppercase(): {}, id(9): {} });
    let (document, places) = patched(&stored, json!({ "drugs": added }));
    let drugs = json!([{ "id": id(9), "name": "First" }, { "id": id(5), "name": "Second" }, { "id": id(1) }]);
    assert_eq!(document, json!({ "drugs": drugs }));
    assert_eq!(places, [format!("drugs/{}/name +", id(5)), format!("drugs/{} +", id(1))]);
    let (document, places) = patched(&json!({}), json!({ "drugs": { id(1): { "name": null } } }));
    assert_eq!(document, json!({ "drugs": [{ "id": id(1) }] }));
    assert_eq!(places, [format!("drugs/{} +", id(1)), format!("drugs/{}/name", id(1))]);
}

#[test]
fn entries_are_counted_with_those_that_others_have_added() {
    let entry = |number: u8| json!({ "id": id(number), "name": "A" });
    let full = json!({ "drugs": [entry(1), entry(2), entry(3)] });
    assert_eq!(refused(&medication(), &full, json!({ "drugs": { id(4): {} } })), ["/values/drugs max_items"]);
    let (document, _) = patched(&full, json!({ "drugs": { id(4): {}, id(1): null } }));
    assert_eq!(document, json!({ "drugs": [entry(2), entry(3), { "id": id(4) }] }), "one goes as another comes");
    let many: Map<String, Value> = (0..7).map(|number| (id(number), Value::Null)).collect();
    assert_eq!(refused(&medication(), &full, json!({ "drugs": many })), ["/values/drugs max_properties"]);
}

#[test]
fn every_fault_of_a_save_is_listed_with_its_pointer() {
    let stored = json!({ "drugs": [{ "id": id(1), "name": "A" }] });
    let drugs = json!({
        id(1): { "id": id(2), "name": 5, "dose": "x", "more/key": 1 },
        "1": { "name": "B" },
        id(2): [],
    });
    let changes = json!({ "smokes": "yes", "total": null, "text": "x", "other": null, "drugs": drugs });
    let at = |rest: &str| format!("/values/drugs/{}{rest}", id(1));
    assert_eq!(
        refused(&medication(), &stored, changes),
        [
            at("/id not_applicable"),
            at("/name type"),
            at("/dose format"),
            at("/more~1key unknown"),
            "/values/drugs/1 format".to_owned(),
            format!("/values/drugs/{} type", id(2)),
            "/values/other unknown".to_owned(),
            "/values/smokes type".to_owned(),
            "/values/text not_applicable".to_owned(),
            "/values/total not_applicable".to_owned(),
        ]
    );
}

#[test]
fn one_entry_is_named_once() {
    let lower = "aaaaaaaa-0000-4000-8000-000000000001";
    let upper = lower.to_uppercase();
    let drugs = json!({ lower: { "name": "A" }, upper.clone(): { "name": "B" } });
    let faults = refused(&medication(), &json!({}), json!({ "drugs": drugs }));
    assert_eq!(faults, [format!("/values/drugs/{upper} repeated")]);
}

#[test]
fn a_group_takes_neither_a_list_nor_null() {
    for drugs in [json!([{ "id": id(1), "name": "A" }]), Value::Null, json!("x")] {
        let faults = refused(&medication(), &json!({}), json!({ "drugs": drugs }));
        assert_eq!(faults, ["/values/drugs type"], "{drugs}");
    }
}

#[test]
fn answers_that_a_save_does_not_name_are_not_checked_again() {
    let options = json!([{ "key": "old", "label": "Old", "retired": true }, { "key": "new", "label": "New" }]);
    let choice = |key: &str| item(key, "single_choice", json!({ "field": { "definition": { "options": options } } }));
    let compiled = compiled(form(json!([
        choice("one"),
        choice("two"),
        { "key": "group", "group": { "label": "Group", "max_entries": 3, "items": [choice("one"), choice("two")] } },
    ])));
    let stored = json!({ "one": "old", "group": [{ "id": id(1), "one": "old" }] });
    let (patch, faults) = saved(&compiled, &stored, json!({ "two": "new", "group": { id(1): { "two": "new" } } }));
    assert!(faults.list().is_empty(), "{faults:?}");
    let group = json!([{ "id": id(1), "one": "old", "two": "new" }]);
    assert_eq!(json!(patch.document), json!({ "one": "old", "two": "new", "group": group }));
    let again = json!({ "one": "old", "group": { id(1): { "one": "old" } } });
    assert!(refused(&compiled, &stored, again).is_empty(), "an option stays where it is");
    let elsewhere = json!({ "two": "old", "group": { id(1): { "two": "old" }, id(2): { "one": "old" } } });
    assert_eq!(
        refused(&compiled, &stored, elsewhere),
        [
            format!("/values/group/{}/two retired", id(1)),
            format!("/values/group/{}/one retired", id(2)),
            "/values/two retired".to_owned(),
        ]
    );
}

/// Part of a save: an answer, or with `entry` one in a group; without a `field` the entry itself.
#[derive(Debug, Clone)]
struct Part {
    key: String,
    entry: Option<String>,
    field: Option<String>,
    value: Value,
}

/// Returns the parts that make `wanted` of `stored`.
fn parts(definition: &Value, stored: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<Part> {
    let mut parts = Vec::new();
    let sections = definition["sections"].as_array().into_iter().flatten();
    for item in sections.flat_map(|section| section["items"].as_array().into_iter().flatten()) {
        let key = item["key"].as_str().unwrap_or_default().to_owned();
        if item["field"].is_object() {
            let value = wanted.get(&key).cloned().unwrap_or_default();
            parts.push(Part { key, entry: None, field: None, value });
            continue;
        }
        let entries = |of: &Map<String, Value>| of.get(&key).and_then(Value::as_array).cloned().unwrap_or_default();
        let kept = entries(wanted);
        let of_entry = |entry: &Value, field: Option<String>, value: Value| {
            let entry = entry["id"].as_str().map(str::to_owned);
            Part { key: key.clone(), entry, field, value }
        };
        for entry in &kept {
            parts.push(of_entry(entry, None, json!({})));
            for field in item["group"]["items"].as_array().into_iter().flatten() {
                let name = field["key"].as_str().unwrap_or_default();
                parts.push(of_entry(entry, Some(name.to_owned()), entry[name].clone()));
            }
        }
        let gone = entries(stored).into_iter().filter(|entry| kept.iter().all(|other| other["id"] != entry["id"]));
        parts.extend(gone.map(|entry| of_entry(&entry, None, Value::Null)));
    }
    parts
}

/// Writes the body of a save.
fn body(parts: &[Part]) -> BTreeMap<String, Value> {
    let mut body: BTreeMap<String, Value> = BTreeMap::new();
    for Part { key, entry, field, value } in parts {
        let at = body.entry(key.clone()).or_default();
        match (entry, field) {
            (None, _) => *at = value.clone(),
            (Some(entry), Some(field)) => at[entry][field] = value.clone(),
            (Some(entry), None) if at.get(entry).is_none() => at[entry] = value.clone(),
            (Some(_), None) => {}
        }
    }
    body
}

/// Returns answers by their places, and `{}` for each entry.
fn flat(document: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (key, value) in document {
        let entries = value.as_array().filter(|items| items.iter().all(Value::is_object));
        let Some(entries) = entries.filter(|items| !items.is_empty()) else {
            flat.insert(key.clone(), value.clone());
            continue;
        };
        for entry in entries.iter().filter_map(Value::as_object) {
            let at = format!("{key}/{}", entry["id"].as_str().unwrap_or_default());
            flat.insert(at.clone(), json!({}));
            let fields = entry.iter().filter(|(name, _)| *name != "id");
            flat.extend(fields.map(|(name, value)| (format!("{at}/{name}"), value.clone())));
        }
    }
    flat
}

/// Applies parts to answers by their places, without any type.
fn apply(flat: &mut BTreeMap<String, Value>, parts: &[Part]) {
    for Part { key, entry, field, value } in parts {
        let entry = entry.as_ref().map(|entry| format!("{key}/{entry}"));
        match (entry, field) {
            (Some(entry), None) if value.is_null() => {
                flat.retain(|place, _| *place != entry && !place.starts_with(&format!("{entry}/")));
            }
            (Some(entry), None) => {
                flat.insert(entry, json!({}));
            }
            (entry, field) => {
                let place = match (&entry, field) {
                    (Some(entry), Some(field)) => format!("{entry}/{field}"),
                    _ => key.clone(),
                };
                flat.extend(entry.map(|entry| (entry, json!({}))));
                if value.is_null() {
                    flat.remove(&place);
                } else {
                    flat.insert(place, value.clone());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn partial_saves_in_any_split_equal_one_save(
        numbers in vec(any::<u16>(), 0..300),
        (before, after) in (vec(any::<u16>(), 0..100), vec(any::<u16>(), 0..100)),
        split in vec(0..3_usize, 1..40),
    ) {
        let content = random::definition(&mut Choices(numbers.iter()));
        let Ok(compiled) = Compiled::build(&definition(content.clone()), &Library::default()) else { return Ok(()) };
        let stored = ordered(&content, &random::answers(&content, &mut Choices(before.iter())));
        let stored = object(stored);
        let wanted = random::answers(&content, &mut Choices(after.iter()));
        let parts = parts(&content, &stored, &wanted);

        let mut faults = FieldFaults::default();
        let whole = compiled.patch(&stored, &body(&parts), "", &mut faults);
        prop_assert!(faults.list().is_empty(), "{faults:?}");
        prop_assert_eq!(json!(whole.document), ordered(&content, &wanted));
        prop_assert_eq!(&compiled.write(&whole.answers, None), &whole.document);

        let mut present = stored;
        for turn in 0..3 {
            let cycle = split.iter().cycle();
            let of_turn = parts.iter().zip(cycle).filter(|(_, part)| **part == turn);
            let saved: Vec<Part> = of_turn.map(|(part, _)| part.clone()).collect();
            let before = flat(&present);
            let patch = compiled.patch(&present, &body(&saved), "", &mut faults);
            prop_assert!(faults.list().is_empty(), "{faults:?}");
            let mut expected = before.clone();
            apply(&mut expected, &saved);
            let after = flat(&patch.document);
            prop_assert_eq!(&after, &expected, "what a save does not name stays");
            for named in &patch.places {
                let changed = before.get(&named.place) != after.get(&named.place);
                prop_assert_eq!(named.changed, changed, "{}", named.place);
            }
            let moved = before.keys().chain(after.keys()).filter(|place| before.get(*place) != after.get(*place));
            for place in moved {
                let is_named = |named: &str| named == place || place.starts_with(&format!("{named}/"))
                    || named.starts_with(&format!("{place}/"));
                prop_assert!(patch.places.iter().any(|named| is_named(&named.place)), "{place} is not named");
            }
            present = patch.document;
        }
        prop_assert_eq!(flat(&present), flat(&whole.document));
    }

    #[test]
    fn saves_of_any_content_are_refused_or_merged(
        numbers in vec(any::<u16>(), 0..200),
        places in vec((any::<u16>(), any::<u16>()), 0..12),
    ) {
        let content = random::definition(&mut Choices(numbers.iter()));
        let Ok(compiled) = Compiled::build(&definition(content.clone()), &Library::default()) else { return Ok(()) };
        let document = random::answers(&content, &mut Choices(numbers.iter()));
        let stored = object(ordered(&content, &document));
        let mut changes: BTreeMap<String, Value> = BTreeMap::new();
        for (place, value) in places {
            let value = match value % 7 {
                0 => Value::Null,
                1 => json!({ id(1): { "g0": value } }),
                2 => json!({ id(2): null, "x": {} }),
                3 => json!([]),
                4 => json!("a"),
                5 => json!({ id(1): [] }),
                _ => json!(value),
            };
            changes.insert(format!("i{}_{}", place % 3, place % 4), value);
        }
        let mut faults = FieldFaults::default();
        let patch = compiled.patch(&stored, &changes, "/values", &mut faults);
        prop_assert!(faults.list().iter().all(|fault| fault.pointer.starts_with("/values/")), "{faults:?}");
        // Whatever is merged can be read and evaluated again.
        let again = compiled.read_stored(&patch.document);
        prop_assert_eq!(&compiled.write(&again, None), &patch.document);
        compiled.report(&patch.answers, &compiled.evaluate(&patch.answers), "/values", &faults);
    }
}
