//! Check that the specification states the allowed characters of every text in requests.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Returns the texts of request bodies, paths and queries for which the specification states no allowed characters:
/// those without a `format`, an `enum` or a pattern of plain ASCII. A field of a schema is named `Schema/field`, a
/// parameter `operation?parameter`.
pub(super) fn unstated(document: &Value) -> Vec<String> {
    let mut walk = Walk { document, seen: BTreeSet::new(), found: BTreeSet::new() };
    let paths = document["paths"].as_object();
    let operations = paths.into_iter().flat_map(Map::values).filter_map(Value::as_object).flat_map(Map::values);
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap_or_default();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "header" {
                let name = parameter["name"].as_str().unwrap_or_default();
                walk.schema(&parameter["schema"], &format!("{id}?{name}"));
            }
        }
        let content = operation["requestBody"]["content"].as_object();
        for media in content.into_iter().flat_map(Map::values) {
            walk.schema(&media["schema"], id);
        }
    }
    walk.found.into_iter().collect()
}

struct Walk<'a> {
    document: &'a Value,
    seen: BTreeSet<&'a str>,
    found: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, place: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if self.seen.insert(name)
                && let Some(named) = self.document.pointer(&format!("/components/schemas/{name}"))
            {
                self.schema(named, name);
            }
            return;
        }
        if schema["type"] == "string" && !is_stated(schema) {
            self.found.insert(place.to_owned());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            self.schema(field, &format!("{place}/{name}"));
        }
        for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
            self.schema(part, place);
        }
        self.schema_if_any(&schema["items"], &format!("{place}/-"));
        self.schema_if_any(&schema["additionalProperties"], &format!("{place}/*"));
    }

    fn schema_if_any(&mut self, schema: &'a Value, place: &str) {
        if schema.is_object() {
            self.schema(schema, place);
        }
    }
}

fn is_stated(schema: &Value) -> bool {
    let has = |key: &str| schema.get(key).is_some();
    has("format") || has("enum") || schema["pattern"].as_str().is_some_and(is_of_ascii)
}

/// Returns `true` if only ASCII matches the pattern: it is anchored at both ends and has no construct that matches
/// other characters.
fn is_of_ascii(pattern: &str) -> bool {
    let Some(body) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else { return false };
    let (mut in_class, mut depth) = (false, 0_u32);
    let mut letters = body.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // `\d` matches the ten digits in JSON Schema; `\s`, `\p` and negations also match characters outside ASCII.
            '\\' if letters
                .next()
                .is_none_or(|escaped| escaped.is_ascii_alphanumeric() && !matches!(escaped, 'd' | 'w')) =>
            {
                return false;
            }
            '[' if !in_class => {
                if letters.peek() == Some(&'^') {
                    return false;
                }
                in_class = true;
            }
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            '.' if !in_class => return false,
            // The anchors would not apply to an alternative at the top level.
            '|' if !in_class && depth == 0 => return false,
            letter if !letter.is_ascii() => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_of_ascii_is_told_from_others() {
        for pattern in
            ["^[a-z0-9]+(-[a-z0-9]+)*$", "^[!-~]*$", "^([01][0-9]|2[0-3]):[0-5][0-9]$", r"^\d{4}\.[.|]$", "^$"]
        {
            assert!(is_of_ascii(pattern), "{pattern}");
        }
        for pattern in
            [r"^[^\x00]*$", "^.+$", "[a-z]", "^[a-z]+", "[a-z]$", r"^\S+$", r"^\p{L}$", "^a|b$", "^[a-é]$", r"^\"]
        {
            assert!(!is_of_ascii(pattern), "{pattern}");
        }
    }

    #[test]
    fn texts_are_found_wherever_requests_carry_them() {
        let text = || json!({ "type": "string", "pattern": r"^[^\x00]*$" });
        let document = json!({
            "paths": { "/things/{slug}": { "post": {
                "operationId": "thing_create",
                "parameters": [
                    { "in": "path", "name": "slug", "schema": text() },
                    { "in": "query", "name": "sort", "schema": { "type": "string", "enum": ["name"] } },
                    { "in": "query", "name": "words", "schema": { "type": "array", "items": text() } },
                    { "in": "header", "name": "X-Thing", "schema": text() },
                ],
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } } },
                "responses": { "200": { "content": { "application/json": { "schema": text() } } } },
            } } },
            "components": { "schemas": {
                "Thing": { "type": "object", "properties": {
                    "name": { "type": "string", "format": "name" },
                    "parts": { "type": "array", "items": { "allOf": [{ "$ref": "#/components/schemas/Part" }] } },
                    "labels": { "type": "object", "additionalProperties": text() },
                } },
                "Part": { "type": "object", "properties": {
                    "of": { "$ref": "#/components/schemas/Thing" },
                    "note": text(),
                } },
            } },
        });
        let found = ["Part/note", "Thing/labels/*", "thing_create?slug", "thing_create?words/-"];
        assert_eq!(unstated(&document), found);
    }
}
