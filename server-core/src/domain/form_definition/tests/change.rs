use serde_json::{Value, json};

use super::{definition, form, item, merge};
use crate::domain::form_definition::changes;

/// Returns the changes as `kind part key[ in group][: properties]`.
fn between(old: Value, new: Value) -> Vec<String> {
    let describe = |change: &crate::domain::form_definition::FormChange| {
        let mut text = format!("{:?} {:?} {}", change.kind, change.part, change.key.as_str()).to_lowercase();
        text.extend(change.group.iter().map(|group| format!(" in {}", group.as_str())));
        if !change.properties.is_empty() {
            text = format!("{text}: {}", change.properties.join(", "));
        }
        text
    };
    changes(&definition(old), &definition(new)).iter().map(describe).collect()
}

fn plain(keys: &[&str]) -> Value {
    form(keys.iter().map(|key| item(key, "text", json!({}))).collect())
}

#[test]
fn nothing_changes_between_equal_definitions() {
    assert!(between(plain(&["a", "b"]), plain(&["a", "b"])).is_empty());
}

#[test]
fn items_are_added_removed_and_moved() {
    assert_eq!(between(plain(&["a", "b", "c"]), plain(&["a", "new", "c"])), ["removed field b", "added field new"]);
    assert_eq!(between(plain(&["a", "b", "c", "d"]), plain(&["d", "a", "b", "c"])), ["moved field d"]);
    assert!(between(plain(&["b", "c"]), plain(&["new", "b", "c"])).iter().all(|change| change == "added field new"));
    let mut two = plain(&["a"]);
    two["sections"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "key": "more", "label": "More", "items": [item("b", "text", json!({}))] }));
    assert_eq!(between(plain(&["a", "b"]), two), ["added section more", "moved field b"]);
}

#[test]
fn changed_properties_are_named() {
    let old = form(json!([
        item("a", "integer", json!({})),
        { "key": "total", "score": { "label": "Total", "formula": "sum", "inputs": [{ "key": "a" }] } },
        { "key": "text", "text": { "text": "Text" } },
        { "key": "group", "group": { "label": "Group", "max_entries": 2, "items": [item("x", "text", json!({}))] } },
    ]));
    let mut new = old.clone();
    let items = &mut new["sections"][0]["items"];
    merge(&mut items[0], json!({ "field": { "required": true, "definition": { "label": "Other", "unit": "kg" } } }));
    merge(&mut items[1], json!({ "score": { "decimals": 2 } }));
    items[2] = item("text", "text", json!({}));
    merge(&mut items[3], json!({ "group": { "max_entries": 3 }, "visible_if": { "op": "is_empty", "field": "a" } }));
    items[3]["group"]["items"] = json!([item("y", "text", json!({}))]);
    new["sections"][0]["label"] = json!("Renamed");
    assert_eq!(
        between(old, new),
        [
            "changed section main: label",
            "removed text text",
            "changed field a: required, definition.label, definition.unit",
            "changed score total: decimals",
            "added field text",
            "changed group group: max_entries, visible_if",
            "removed field x in group",
            "added field y in group",
        ]
    );
}

#[test]
fn a_change_of_the_signatures_is_reported_as_one() {
    let with = |signatures: Value| {
        let mut form = plain(&["a"]);
        form["signatures"] = signatures;
        form
    };
    let sign = |signer: &str, meaning: &str| json!({ "signer": signer, "meaning": meaning });
    let (patient, specialist) = (sign("patient", "consent"), sign("specialist", "completion"));
    assert!(between(plain(&["a"]), with(json!([specialist]))).is_empty(), "a specialist completes every form");
    let ordered = with(json!([patient, specialist]));
    assert_eq!(between(plain(&["a"]), ordered.clone()), ["changed signatures signatures"]);
    assert_eq!(between(ordered, with(json!([specialist, patient]))), ["changed signatures signatures"]);
}
