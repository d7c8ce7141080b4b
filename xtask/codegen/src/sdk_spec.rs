//! Public specification → SDK specification.
//!
//! The public document describes the API completely; a generator needs a simpler one. The SDK
//! specification omits parts that the generator can't express (multipart bodies) and parts that would
//! make a client brittle (limits that a later server may relax), and writes unions differently. Names
//! and types are the same.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Limits that only the server enforces. In a client they would refuse answers of a newer server
/// and turn plain strings and integers into newtypes. `default` goes too: the server applies its
/// own, so a client that leaves a field out follows the server it talks to.
const LIMITS: [&str; 14] = [
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "default",
];

/// Formats of text that only the server checks. In a client the text is a plain string with them or without.
const TEXT_FORMATS: [&str; 5] = ["name", "line", "text", "idn-email", "phone"];

/// Derives the SDK specification, or returns an error that names the operation that a client can't express, and the
/// reason.
pub(crate) fn derive(mut spec: Value) -> anyhow::Result<Value> {
    operations_tame(&mut spec)?;
    unions_inline(&mut spec)?;
    each_root_schema(&mut spec, &mut |schema| {
        schema_visit(schema, &mut limits_strip);
        schema_visit(schema, &mut references_tidy);
    });
    unused_schemas_drop(&mut spec);
    Ok(spec)
}

/// Drops the operations no generator of ours can express and narrows the rest to one request media
/// type, one success type and one error type.
fn operations_tame(spec: &mut Value) -> anyhow::Result<()> {
    let paths = spec.get_mut("paths").and_then(Value::as_object_mut).context("the specification has no paths")?;
    for (path, item) in paths.iter_mut() {
        let item = item.as_object_mut().with_context(|| format!("{path} is not an object"))?;
        item.retain(|_, operation| !is_multipart_only(operation));
        for (method, operation) in item.iter_mut() {
            if METHODS.contains(&method.as_str()) {
                operation_tame(operation).with_context(|| format!("{} {path}", method.to_uppercase()))?;
            }
        }
    }
    paths.retain(|_, item| item.as_object().is_some_and(|item| !item.is_empty()));
    Ok(())
}

fn is_multipart_only(operation: &Value) -> bool {
    operation
        .pointer("/requestBody/content")
        .and_then(Value::as_object)
        .is_some_and(|content| !content.is_empty() && content.keys().all(|kind| kind.starts_with("multipart/")))
}

fn operation_tame(operation: &mut Value) -> anyhow::Result<()> {
    ensure!(
        operation.get("operationId").and_then(Value::as_str).is_some(),
        "has no operationId; a client needs a name for it"
    );
    if let Some(content) = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut) {
        media_type_choose(content);
    }
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut).context("declares no responses")?;
    ensure!(!responses.contains_key("default"), "declares a `default` response; name each status instead");

    let mut success = BTreeSet::new();
    let mut failure = BTreeSet::new();
    for (status, response) in responses.iter_mut() {
        let response = response.as_object_mut().context("a response is not an object")?;
        // The generated client hands out all headers of a response; their declarations go unread.
        response.remove("headers");
        if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
            media_type_choose(content);
        }
        let body = response.get("content").cloned().unwrap_or(Value::Null).to_string();
        match status.as_bytes().first() {
            Some(b'2') => success.insert(body),
            Some(b'4' | b'5') => failure.insert(body),
            _ => bail!("declares status {status}; a client understands 2xx, 4xx and 5xx"),
        };
    }
    ensure!(success.len() == 1, "must have exactly one success type, has {}: {}", success.len(), list(&success));
    ensure!(
        failure.len() <= 1,
        "must have one error type for all its error statuses, has {}: {}",
        failure.len(),
        list(&failure)
    );
    Ok(())
}

fn list(types: &BTreeSet<String>) -> String {
    types.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
}

/// Keeps one media type: JSON where there is one, else the first.
fn media_type_choose(content: &mut Object) {
    let Some(chosen) =
        content.keys().find(|kind| kind.starts_with("application/json")).or_else(|| content.keys().next()).cloned()
    else {
        return;
    };
    content.retain(|kind, _| *kind == chosen);
}

/// Writes the members of each discriminated union into it, so that the generator sees an
/// internally tagged enum (`Shape::Circle { radius }`) and not an untagged pile of structs.
fn unions_inline(spec: &mut Value) -> anyhow::Result<()> {
    let components = spec.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut fault = None;
    each_root_schema(spec, &mut |schema| {
        schema_visit(schema, &mut |schema| {
            if let Err(this) = union_inline(schema, &components) {
                fault.get_or_insert(this);
            }
        });
    });
    fault.map_or(Ok(()), Err)
}

fn union_inline(schema: &mut Object, components: &Object) -> anyhow::Result<()> {
    if schema.remove("discriminator").is_none() {
        return Ok(());
    }
    // poem-openapi writes `type: object` beside `oneOf`; the members say it already.
    schema.remove("type");
    let Some(members) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for member in members {
        let mut flat = Flat::default();
        flat.add(member, components)?;
        *member = flat.into_schema();
    }
    Ok(())
}

/// An object schema with its `$ref` and `allOf` parts merged.
#[derive(Default)]
struct Flat {
    description: Option<Value>,
    properties: Object,
    required: BTreeSet<String>,
}

impl Flat {
    fn add(&mut self, schema: &Value, components: &Object) -> anyhow::Result<()> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference_name(reference);
            let target =
                components.get(name).with_context(|| format!("union member {name} is not among the components"))?;
            return self.add(target, components);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.add(part, components)?;
        }
        if let Some(description) = schema.get("description") {
            self.description = Some(description.clone());
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.properties.insert(name.clone(), property.clone());
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        self.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
        Ok(())
    }

    fn into_schema(self) -> Value {
        let mut schema = json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
        });
        if let Some(description) = self.description {
            schema["description"] = description;
        }
        schema
    }
}

/// Strips limits, formats of text, and `additionalProperties: false`, which would refuse the answers of a server
/// that has learned a new field.
fn limits_strip(schema: &mut Object) {
    schema.retain(|keyword, _| !LIMITS.contains(&keyword.as_str()));
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| TEXT_FORMATS.contains(&format)) {
        schema.remove("format");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
}

/// `allOf: [{$ref}]` with siblings says "this type, described for this field". The public document
/// repeats the target's `type` beside a `nullable`, for validators; the generator would take that
/// for a second constraint.
fn references_tidy(schema: &mut Object) {
    if schema.get("allOf").and_then(Value::as_array).is_some_and(|parts| parts.len() == 1)
        && !schema.contains_key("properties")
    {
        schema.remove("type");
        schema.remove("enum");
    }
}

/// Drops component schemas that no operation reaches any more: bodies of dropped operations and
/// union members written inline.
fn unused_schemas_drop(spec: &mut Value) {
    let mut reached = BTreeSet::new();
    if let Some(paths) = spec.get("paths") {
        references_collect(paths, &mut reached);
    }
    let Some(schemas) = spec.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    let mut queue: Vec<String> = reached.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        let mut inner = BTreeSet::new();
        if let Some(schema) = schemas.get(&name) {
            references_collect(schema, &mut inner);
        }
        queue.extend(inner.into_iter().filter(|name| reached.insert(name.clone())));
    }
    schemas.retain(|name, _| reached.contains(name));
}

fn references_collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                match inner {
                    Value::String(reference) if key == "$ref" => {
                        into.insert(reference_name(reference).to_owned());
                    }
                    inner => references_collect(inner, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references_collect(item, into)),
        _ => {}
    }
}

fn reference_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// Calls `visit` with every schema that is not inside another: components, parameters, bodies.
fn each_root_schema(spec: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    if let Some(schemas) = spec.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.values_mut().for_each(&mut *visit);
    }
    let paths = spec.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(Object::values_mut).filter_map(Value::as_object_mut);
    for operation in items.flat_map(Object::values_mut) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            parameter.get_mut("schema").into_iter().for_each(&mut *visit);
        }
        if let Some(content) = operation.pointer_mut("/requestBody/content") {
            each_content_schema(content, visit);
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Object::values_mut) {
            response.get_mut("content").into_iter().for_each(|c| each_content_schema(c, visit));
        }
    }
}

fn each_content_schema(content: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    for media in content.as_object_mut().into_iter().flat_map(Object::values_mut) {
        media.get_mut("schema").into_iter().for_each(&mut *visit);
    }
}

/// Calls `visit` with a schema and every schema inside it, inner ones first. It follows the
/// keywords of a schema, so a *property* that happens to be named `pattern` or `default` is safe.
fn schema_visit(schema: &mut Value, visit: &mut impl FnMut(&mut Object)) {
    let Some(object) = schema.as_object_mut() else { return };
    for (keyword, inner) in object.iter_mut() {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(|property| schema_visit(property, visit));
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for part in parts {
                    schema_visit(part, visit);
                }
            }
            ("items" | "not" | "additionalProperties", inner @ Value::Object(_)) => {
                schema_visit(inner, visit);
            }
            _ => {}
        }
    }
    visit(object);
}
