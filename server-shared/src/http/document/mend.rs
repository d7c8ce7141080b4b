//! Corrections of the document that poem-openapi writes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::LARGEST_INTEGER;

/// Any text without U+0000.
const TEXT: &str = r"^[^\x00]*$";

/// Corrects inaccuracies of poem-openapi in all parts of the document.
pub(super) fn mend(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(mend),
        Value::Object(fields) => {
            fields.values_mut().for_each(mend);
            content_types(fields);
            reference_with_siblings(fields);
            integers(fields);
            if fields.get("format") == Some(&json!("naive-date")) {
                fields.insert("format".to_owned(), json!("date"));
            }
            if fields.get("default") == Some(&Value::Null)
                && (fields.contains_key("type") || fields.contains_key("allOf"))
            {
                fields.remove("default");
            }
            if let Some(Value::Object(headers)) = fields.get_mut("headers") {
                *headers =
                    std::mem::take(headers).into_iter().map(|(name, header)| (title_case(&name), header)).collect();
            }
        }
        _ => {}
    }
}

/// Reduces keys of `content` to media types: `application/json; charset=utf-8` is a header value.
fn content_types(fields: &mut Map<String, Value>) {
    if let Some(Value::Object(content)) = fields.get_mut("content") {
        *content = std::mem::take(content)
            .into_iter()
            .map(|(key, media)| (key.split(';').next().unwrap_or_default().trim().to_owned(), media))
            .collect();
    }
}

/// Turns `allOf: [$ref, {siblings}]` beside the same siblings into `allOf: [$ref]` and the siblings once.
fn reference_with_siblings(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(parts)) = fields.get_mut("allOf") {
        let is_reference = parts.first().is_some_and(|part| part.get("$ref").is_some());
        let repeats = parts.get(1).is_some_and(|part| part.get("type").is_none() && part.get("properties").is_none());
        if parts.len() == 2 && is_reference && repeats {
            parts.truncate(1);
        }
    }
}

/// Writes bounds of integers as integers, with a minimum of zero for unsigned ones and a maximum of 2^53 − 1 for 64
/// bits.
fn integers(fields: &mut Map<String, Value>) {
    if fields.get("type") != Some(&json!("integer")) {
        return;
    }
    for bound in ["minimum", "maximum", "multipleOf"] {
        if let Some(number) = fields.get(bound).and_then(Value::as_f64) {
            #[allow(clippy::cast_possible_truncation, reason = "bounds of integers are written as whole numbers")]
            let whole = number as i64;
            fields.insert(bound.to_owned(), json!(whole));
        }
    }
    let (format, minimum, maximum) = match fields.get("format").and_then(Value::as_str) {
        Some("uint8") => ("int32", Some(0), Some(i64::from(u8::MAX))),
        Some("uint16") => ("int32", Some(0), Some(i64::from(u16::MAX))),
        Some("uint32") => ("int64", Some(0), Some(i64::from(u32::MAX))),
        Some("uint64") => ("int64", Some(0), Some(LARGEST_INTEGER)),
        Some("int16") => ("int32", Some(i64::from(i16::MIN)), Some(i64::from(i16::MAX))),
        Some("int64") => ("int64", None, Some(LARGEST_INTEGER)),
        _ => return,
    };
    fields.insert("format".to_owned(), json!(format));
    for (bound, value) in [("minimum", minimum), ("maximum", maximum)] {
        if let Some(value) = value.filter(|_| !fields.contains_key(bound)) {
            fields.insert(bound.to_owned(), json!(value));
        }
    }
}

/// Copies the type of the referenced schema to a nullable schema, because OpenAPI 3.0 requires a `type` beside
/// `nullable`.
pub(super) fn copy_types_to_nullable(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    visit(document, &mut |fields| {
        if fields.get("nullable") == Some(&json!(true)) && !fields.contains_key("type") {
            let reference = fields.get("allOf").and_then(|parts| parts[0]["$ref"].as_str()).unwrap_or_default();
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(kind) = schemas.get(name).and_then(|schema| schema.get("type")) {
                fields.insert("type".to_owned(), kind.clone());
            }
        }
    });
}

/// Forbids additional fields in every object that a request body can contain, as the server does, and U+0000 in its
/// texts, which can't be stored. Returns the names of the schemas of request bodies and of all that they refer to.
pub(super) fn close_request_schemas(document: &mut Value) -> BTreeSet<String> {
    let mut pending: Vec<String> = Vec::new();
    if let Some(paths) = document["paths"].as_object() {
        for operation in paths.values().filter_map(Value::as_object).flat_map(Map::values) {
            references(&operation["requestBody"], &mut pending);
        }
    }
    let mut closed = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if !closed.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{name}")) {
            references(schema, &mut pending);
            visit(schema, &mut |fields| {
                // `type` distinguishes a schema from an example or a list of fields with a field named `properties`.
                let is_object = fields.get("type") == Some(&json!("object")) && fields.contains_key("properties");
                if is_object && !fields.contains_key("additionalProperties") {
                    fields.insert("additionalProperties".to_owned(), json!(false));
                }
                text_without_nul(fields);
            });
        }
    }
    closed
}

/// Adds the pattern that excludes U+0000, which PostgreSQL's text can't hold, to a text of a request. A text with a
/// pattern of its own excludes it already.
pub(super) fn text_without_nul(fields: &mut Map<String, Value>) {
    let is_text = fields.get("type") == Some(&json!("string"));
    if is_text && !["enum", "format", "pattern"].iter().any(|narrower| fields.contains_key(*narrower)) {
        fields.insert("pattern".to_owned(), json!(TEXT));
    }
}

pub(super) fn visit(node: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        Value::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|value| visit(value, change));
        }
        _ => {}
    }
}

fn references(node: &Value, into: &mut Vec<String>) {
    match node {
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
                into.push(name.to_owned());
            }
            fields.values().for_each(|value| references(value, into));
        }
        _ => {}
    }
}

fn title_case(header: &str) -> String {
    let words: Vec<String> = header
        .split('-')
        .map(|word| match word {
            "WWW" => word.to_owned(),
            "RATELIMIT" => "RateLimit".to_owned(),
            _ => word.chars().take(1).chain(word.to_lowercase().chars().skip(1)).collect(),
        })
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_get_whole_bounds_that_javascript_can_hold() {
        let mut schema = json!({ "type": "integer", "format": "uint32", "minimum": 1.0 });
        mend(&mut schema);
        assert_eq!(schema, json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": 4_294_967_295_u32 }));
    }

    #[test]
    fn a_reference_keeps_its_siblings_once() {
        let mut schema =
            json!({ "allOf": [{ "$ref": "#/components/schemas/A" }, { "description": "x" }], "description": "x" });
        mend(&mut schema);
        assert_eq!(schema, json!({ "allOf": [{ "$ref": "#/components/schemas/A" }], "description": "x" }));
    }

    #[test]
    fn headers_and_media_types_are_written_as_the_standards_do() {
        let mut response =
            json!({ "headers": { "RETRY-AFTER": {} }, "content": { "application/json; charset=utf-8": {} } });
        mend(&mut response);
        assert_eq!(response, json!({ "headers": { "Retry-After": {} }, "content": { "application/json": {} } }));
    }
}
