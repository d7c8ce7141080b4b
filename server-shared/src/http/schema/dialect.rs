//! OpenAPI 3.0's dialect in JSON Schema's terms (`nullable`, `exclusiveMinimum`); everything else is used as
//! it is published.

use serde_json::{Map, Value, json};

use super::reference;

/// Rewrites OpenAPI 3.0's dialect in place.
pub(super) fn json_schema(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(json_schema),
        Value::Object(fields) => {
            fields.values_mut().for_each(json_schema);
            exclusive(fields, "exclusiveMinimum", "minimum");
            exclusive(fields, "exclusiveMaximum", "maximum");
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
                nullable(fields);
            }
        }
        _ => {}
    }
}

fn exclusive(fields: &mut Map<String, Value>, flag: &str, bound: &str) {
    match fields.get(flag) {
        Some(Value::Bool(true)) => {
            fields.remove(flag);
            if let Some(limit) = fields.remove(bound) {
                fields.insert(flag.to_owned(), limit);
            }
        }
        Some(Value::Bool(false)) => {
            fields.remove(flag);
        }
        _ => {}
    }
}

fn nullable(fields: &mut Map<String, Value>) {
    if fields.contains_key("allOf") || fields.contains_key("$ref") || fields.contains_key("oneOf") {
        let inner = Value::Object(std::mem::take(fields));
        fields.insert("anyOf".to_owned(), json!([{ "type": "null" }, inner]));
        return;
    }
    if let Some(kind) = fields.get("type").cloned() {
        fields.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(options)) = fields.get_mut("enum") {
        options.push(Value::Null);
    }
}

/// Calls `change` with a schema and each one in it, the innermost first.
pub(super) fn each_schema(schema: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(fields) = schema else { return };
    for (keyword, inside) in fields.iter_mut() {
        match (keyword.as_str(), inside) {
            ("properties", Value::Object(properties)) => {
                for property in properties.values_mut() {
                    each_schema(property, change);
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for part in parts {
                    each_schema(part, change);
                }
            }
            ("items" | "additionalProperties" | "not", inside) => each_schema(inside, change),
            _ => {}
        }
    }
    change(fields);
}

/// Gives the items of every list a schema with a name, which can be compiled by itself.
pub(super) fn name_items(schemas: &mut Value) {
    let Value::Object(schemas) = schemas else { return };
    let mut named = Map::new();
    for (name, schema) in schemas.iter_mut() {
        each_schema(schema, &mut |fields| {
            if let Some(items) = fields.get_mut("items").filter(|items| reference(items).is_none()) {
                // No schema of a specification is called like this.
                let own = format!("{name}.items.{}", named.len());
                let refers = json!({ "$ref": format!("#/components/schemas/{own}") });
                named.insert(own, std::mem::replace(items, refers));
            }
        });
    }
    schemas.extend(named);
}
