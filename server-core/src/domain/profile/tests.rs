use std::collections::BTreeMap;

use chrono::DateTime;
use poem_openapi::types::ParseFromJSON as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use server_shared::{
    error::Fault as _,
    value::{Key, Line},
};
use uuid::Uuid;

use super::{
    error::ProfileError,
    merge::{Change, changes},
    stored::{Given, ProfileEntry},
};
use crate::{
    domain::{
        field::{FieldDefinition, FieldValue},
        rules::InvalidValue,
    },
    ids::CustomFieldId,
};

/// A field without a value.
fn entry(key: &'static str, kind: &str) -> ProfileEntry {
    let definition = json!({
        "field_type": kind, "label": key, "phi": false,
        "options": if kind == "single_choice" {
            json!([{ "key": "a", "label": "A" }, { "key": "old", "label": "Old", "retired": true }])
        } else {
            json!([])
        },
    });
    ProfileEntry {
        id: CustomFieldId(1),
        key: Key::from_static(key),
        version: 1,
        definition: FieldDefinition::parse_from_json(Some(definition)).ok().unwrap(),
        writable: true,
        archived: false,
        given: None,
    }
}

/// Does what the service does with the changes of a write.
fn apply(entries: &mut [ProfileEntry], changes: Vec<Change>, version: i64) {
    for Change { entry, value } in changes {
        let changed_at = DateTime::UNIX_EPOCH;
        entries[entry].given = Some(Given {
            uid: Uuid::nil(),
            field_version: 1,
            field_type: entries[entry].definition.field_type,
            unit: entries[entry].definition.unit.as_ref().map(|unit| unit.as_str().to_owned()),
            value,
            changed_in: version,
            changed_at,
            changed_by: None,
        });
    }
}

fn body(values: Value) -> BTreeMap<String, Value> {
    BTreeMap::parse_from_json(Some(values)).ok().unwrap()
}

/// Returns pointer and rule of each fault.
fn faults(fault: &InvalidValue) -> Vec<(String, String)> {
    let details = fault.details().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    details["fields"].as_array().unwrap().iter().map(|fault| (text(&fault["pointer"]), text(&fault["rule"]))).collect()
}

#[test]
fn all_faults_of_a_write_are_found_at_once() {
    let mut entries = vec![entry("count", "integer"), entry("hand", "single_choice"), entry("note", "text")];
    entries.push(ProfileEntry { archived: true, ..entry("past", "text") });
    entries.push(ProfileEntry { writable: false, ..entry("sealed", "text") });
    let values = body(json!({ "count": "7", "hand": "old", "note": "fine", "past": "x", "sealed": null, "a/b": 1 }));
    let Err(ProfileError::Invalid(fault)) = changes(&entries, &values, (0, 0), "/values") else {
        panic!("it has faults")
    };
    let expected = [
        ("/values/a~1b", "unknown"),
        ("/values/count", "type"),
        ("/values/hand", "retired"),
        ("/values/past", "archived"),
        ("/values/sealed", "not_writable"),
    ];
    assert_eq!(faults(&fault), expected.map(|(pointer, rule)| (pointer.to_owned(), rule.to_owned())));
}

#[test]
fn a_conflict_names_the_fields_that_differ() {
    let mut entries = vec![entry("first", "text"), entry("second", "text"), entry("third", "text")];
    let written = changes(&entries, &body(json!({ "first": "a", "second": "b" })), (0, 0), "").unwrap();
    apply(&mut entries, written, 1);
    let late = body(json!({ "first": "x", "second": "b", "third": "c" }));
    let Err(ProfileError::Stale(stale)) = changes(&entries, &late, (0, 1), "") else { panic!("it is too late") };
    assert_eq!(stale.details(), Some(json!({ "version": 1, "keys": ["first"] })), "equal values agree");
    let agreed = changes(&entries, &body(json!({ "second": "b", "third": "c" })), (0, 1), "").unwrap();
    assert_eq!(agreed.iter().map(|change| change.entry).collect::<Vec<_>>(), [2], "what is equal does not change");
    assert!(changes(&entries, &late, (1, 1), "").is_ok(), "who has read the version may change all of it");
    assert!(changes(&entries, &late, (9, 1), "").is_err(), "no version is beyond the present one");
}

#[test]
fn a_removed_value_is_a_change_that_later_writes_see() {
    let mut entries = vec![entry("note", "text")];
    let written = changes(&entries, &body(json!({ "note": "a" })), (0, 0), "").unwrap();
    apply(&mut entries, written, 1);
    let removed = changes(&entries, &body(json!({ "note": null })), (1, 1), "").unwrap();
    apply(&mut entries, removed, 2);
    assert!(changes(&entries, &body(json!({ "note": "b" })), (1, 2), "").is_err());
    assert!(changes(&entries, &body(json!({ "note": null })), (1, 2), "").unwrap().is_empty());
}

#[test]
fn the_same_number_in_another_unit_is_a_change() {
    let mut entries = vec![entry("weight", "integer")];
    for (version, unit) in [(0, None), (1, Some("kg")), (2, Some("lb")), (3, None)] {
        entries[0].definition.unit = unit.map(Line::from_static);
        let written = changes(&entries, &body(json!({ "weight": 70 })), (version, version), "").unwrap();
        assert_eq!(written.len(), 1, "70 {unit:?} is new");
        apply(&mut entries, written, version + 1);
        let again = changes(&entries, &body(json!({ "weight": 70 })), (version, version + 1), "").unwrap();
        assert!(again.is_empty(), "the same write again agrees");
    }
    let removed = changes(&entries, &body(json!({ "weight": null })), (4, 4), "").unwrap();
    apply(&mut entries, removed, 5);
    entries[0].definition.unit = Some(Line::from_static("kg"));
    assert!(
        changes(&entries, &body(json!({ "weight": null })), (4, 5), "").unwrap().is_empty(),
        "no value has no unit"
    );
}

const KEYS: [&str; 3] = ["first", "second", "third"];

/// A write: how many versions ago its client has read, and a text, a removal or nothing for each field.
fn write() -> impl Strategy<Value = (i64, [Option<Option<u8>>; 3])> {
    let named = || prop::option::of(prop::option::of(0..3_u8));
    (0..4_i64, [named(), named(), named()])
}

proptest! {
    /// Writes of clients that have read some version merge as a history of whole states says: a write conflicts if a
    /// field that it names changed after the version that it is based on, and has another value now than it gives.
    #[test]
    fn writes_merge_as_a_history_of_states_says(writes in prop::collection::vec(write(), 1..30)) {
        let mut entries = KEYS.map(|key| entry(key, "text"));
        let mut history: Vec<[Option<u8>; 3]> = vec![[None; 3]];
        for (ago, named) in writes {
            let current = history.len() - 1;
            let base = current.saturating_sub(usize::try_from(ago).unwrap());
            let now = history[current];
            let conflicts: Vec<&str> = (0..3)
                .filter(|&field| {
                    let changed = (base..current).any(|version| history[version][field] != history[version + 1][field]);
                    named[field].is_some_and(|value| value != now[field]) && changed
                })
                .map(|field| KEYS[field])
                .collect();
            let values = KEYS.iter().zip(named).filter_map(|(key, value)| {
                Some(((*key).to_owned(), value?.map_or(Value::Null, |value| json!(format!("text {value}")))))
            });
            let (base, current) = (i64::try_from(base).unwrap(), i64::try_from(current).unwrap());
            match changes(&entries, &values.collect(), (base, current), "") {
                Ok(changes) => {
                    prop_assert!(conflicts.is_empty(), "{conflicts:?} should conflict");
                    apply(&mut entries, changes, current + 1);
                    let mut next = now;
                    for (field, value) in named.iter().enumerate() {
                        next[field] = value.unwrap_or(now[field]);
                    }
                    for (entry, value) in entries.iter().zip(next) {
                        let expected = value.map(|value| FieldValue::Text(format!("text {value}")));
                        prop_assert!(entry.value() == expected.as_ref());
                    }
                    history.push(next);
                }
                Err(ProfileError::Stale(stale)) => {
                    prop_assert_eq!(stale.details().unwrap()["keys"].clone(), json!(conflicts));
                }
                Err(error) => prop_assert!(false, "no value is wrong: {error}"),
            }
        }
    }
}
