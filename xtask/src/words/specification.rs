//! Checks the descriptions and summaries of a specification.

use serde_json::{Map, Value};

use super::{begins_badly, excerpt};

/// Returns the faults of a specification as `pointer: text`.
pub(super) fn faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    visit(document, "", Keys::Keywords, &mut faults);
    faults
}

/// Meaning of the keys of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Keywords of OpenAPI.
    Keywords,
    /// Names that the specification defines, such as the fields of a type.
    Names,
}

/// Checks a node and everything below it. Examples are data and may say anything.
fn visit(node: &Value, pointer: &str, keys: Keys, faults: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            if keys == Keys::Keywords {
                faults.extend(words(fields).map(|text| format!("{pointer}: {text}")));
                faults.extend(values(fields).map(|value| format!("{pointer}: the description does not name {value}")));
            }
            for (name, value) in fields {
                let is_data = matches!(name.as_str(), "example" | "examples" | "default" | "enum");
                if keys == Keys::Names || !is_data {
                    let below =
                        if keys == Keys::Keywords && name == "properties" { Keys::Names } else { Keys::Keywords };
                    let name = name.replace('~', "~0").replace('/', "~1");
                    visit(value, &format!("{pointer}/{name}"), below, faults);
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                visit(item, &format!("{pointer}/{number}"), Keys::Keywords, faults);
            }
        }
        _ => {}
    }
}

/// Returns the texts of an object that begin with a forbidden word, in any of their paragraphs.
fn words(fields: &Map<String, Value>) -> impl Iterator<Item = String> {
    let texts = ["summary", "description"].into_iter().filter_map(|name| fields.get(name)?.as_str());
    let paragraphs = texts.flat_map(super::prose::of_page);
    paragraphs.filter(|paragraph| begins_badly(&paragraph.text)).map(|paragraph| excerpt(&paragraph.text))
}

/// Returns the values of an enum that its description does not name in backticks. A single value needs no list.
fn values(fields: &Map<String, Value>) -> impl Iterator<Item = String> {
    let values: Vec<&str> =
        fields.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let description = fields.get("description").and_then(Value::as_str).unwrap_or_default();
    let is_choice = values.len() > 1;
    values
        .into_iter()
        .map(|value| format!("`{value}`"))
        .filter(move |value| is_choice && !description.contains(value.as_str()))
}
