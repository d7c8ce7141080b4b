//! The published schemas, compiled once each to validators.
//!
//! OpenAPI 3.0 says some things differently from JSON Schema; [`json_schema`] turns them into JSON
//! Schema's terms (`nullable`, `exclusiveMinimum`), everything else is used as it is published.

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use jsonschema::{
    Draft, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::{Map, Value, json};

use crate::error::FieldFault;

/// One fault of a body.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Where and what.
    pub field: FieldFault,
    /// Whether the fault is a field that the schema does not know.
    pub unknown_field: bool,
}

/// A validator for each schema of a specification, compiled when a body is first checked against it:
/// most of a service's schemas are of answers, and all of them together take longer than its start.
#[derive(Debug)]
pub struct Schemas {
    /// Every schema, as JSON Schema.
    schemas: Value,
    validators: HashMap<String, OnceLock<Result<Validator, String>>>,
}

impl Schemas {
    /// The schemas under `components/schemas` of the finished document.
    pub fn of(document: &Value) -> Self {
        let mut schemas = document.pointer("/components/schemas").cloned().unwrap_or_else(|| json!({}));
        json_schema(&mut schemas);
        let names = schemas.as_object().into_iter().flat_map(Map::keys);
        let validators = names.map(|name| (name.clone(), OnceLock::new())).collect();
        Self { schemas, validators }
    }

    /// Compiles all of them; what would be a fault of a request is one of the specification here.
    pub fn check(&self) -> Result<(), String> {
        self.validators.keys().try_for_each(|name| self.validator(name).map(|_| ()))
    }

    /// Every fault of `value` against the schema called `name`.
    pub fn faults(&self, name: &str, value: &Value) -> Result<Vec<Fault>, String> {
        let mut faults = Vec::new();
        for error in self.validator(name)?.iter_errors(value) {
            describe(&error, &mut faults);
        }
        Ok(faults)
    }

    fn validator(&self, name: &str) -> Result<&Validator, String> {
        let place = self.validators.get(name).ok_or_else(|| format!("the document has no schema {name}"))?;
        place.get_or_init(|| self.compile(name)).as_ref().map_err(Clone::clone)
    }

    fn compile(&self, name: &str) -> Result<Validator, String> {
        let root = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": { "schemas": self.schemas },
        });
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&root)
            .map_err(|error| format!("schema {name}: {error}"))
    }
}

/// Rewrites OpenAPI 3.0's dialect in place.
fn json_schema(schema: &mut Value) {
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

/// Says in our own words what is wrong; the library's messages repeat the value, which may be
/// personal.
fn describe(error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
    let pointer = error.instance_path().as_str().to_owned();
    let known = |rule: &'static str, message: String| Fault {
        field: FieldFault::new(pointer.clone(), Cow::Borrowed(rule), message),
        unknown_field: false,
    };
    let fault = match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            faults.extend(unexpected.iter().map(|name| Fault {
                field: FieldFault::new(
                    format!("{pointer}/{}", escape(name)),
                    "unknown",
                    "is no field of this operation",
                ),
                unknown_field: true,
            }));
            return;
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            Fault {
                field: FieldFault::new(format!("{pointer}/{}", escape(name)), "required", "is required"),
                unknown_field: false,
            }
        }
        Kind::Type { kind } => known("type", format!("must be {}", type_names(kind))),
        Kind::Enum { options } => known("enum", format!("must be one of {options}")),
        Kind::Format { format } => known("format", format!("must have the format {format}")),
        Kind::Pattern { pattern } => known("pattern", format!("must match {pattern}")),
        Kind::MinLength { limit } => known("min_length", format!("must have at least {limit} characters")),
        Kind::MaxLength { limit } => known("max_length", format!("must have at most {limit} characters")),
        Kind::Minimum { limit } => known("minimum", format!("must be at least {limit}")),
        Kind::Maximum { limit } => known("maximum", format!("must be at most {limit}")),
        Kind::ExclusiveMinimum { limit } => known("minimum", format!("must be greater than {limit}")),
        Kind::ExclusiveMaximum { limit } => known("maximum", format!("must be less than {limit}")),
        Kind::MinItems { limit } => known("min_items", format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => known("max_items", format!("must have at most {limit} items")),
        Kind::MaxProperties { limit } => known("max_properties", format!("must have at most {limit} entries")),
        Kind::MinProperties { limit } => known("min_properties", format!("must have at least {limit} entries")),
        Kind::MultipleOf { multiple_of } => known("multiple_of", format!("must be a multiple of {multiple_of}")),
        Kind::UniqueItems => known("unique_items", "must not repeat an item".to_owned()),
        // A value that may also be null, or one of several forms: the fault lies in the form that
        // has the value's type.
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let mut meant = context.iter().filter(|branch| {
                !branch.iter().any(|inner| {
                    matches!(inner.kind(), Kind::Type { .. }) && inner.instance_path() == error.instance_path()
                })
            });
            if let (Some(branch), None) = (meant.next(), meant.next()) {
                for inner in branch {
                    describe(inner, faults);
                }
                return;
            }
            known("invalid", "is none of the forms that the specification allows".to_owned())
        }
        _ => known("invalid", "is none of the forms that the specification allows".to_owned()),
    };
    faults.push(fault);
}

fn type_names(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => format!("of type {kind}"),
        TypeKind::Multiple(kinds) => {
            let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("of type {}", names.join(" or "))
        }
    }
}

/// JSON pointer escaping (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas() -> Schemas {
        Schemas::of(&json!({ "components": { "schemas": {
            "Person": {
                "type": "object", "additionalProperties": false, "required": ["name", "age"],
                "properties": {
                    "name": { "type": "string", "minLength": 1 },
                    "age": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                    "nick": { "type": "string", "nullable": true },
                    "home": { "allOf": [{ "$ref": "#/components/schemas/Address" }], "nullable": true },
                    "born": { "type": "string", "format": "date" }
                }
            },
            "Address": { "type": "object", "properties": { "zip": { "type": "string" } } }
        } } }))
    }

    fn rules(value: &Value) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = schemas()
            .faults("Person", value)
            .unwrap()
            .into_iter()
            .map(|fault| (fault.field.pointer, fault.field.rule.into_owned()))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn every_fault_is_listed_with_its_pointer() {
        let found = rules(&json!({ "name": "", "age": 0, "extra/one": 1, "home": { "zip": 7 }, "born": "yesterday" }));
        let expected = [
            ("/age", "minimum"),
            ("/born", "format"),
            ("/extra~1one", "unknown"),
            ("/home/zip", "type"),
            ("/name", "min_length"),
        ];
        let expected: Vec<(String, String)> = expected.iter().map(|(p, r)| ((*p).into(), (*r).into())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_schema_that_is_none_is_found_by_checking_all() {
        schemas().check().unwrap();
        let broken = Schemas::of(&json!({ "components": { "schemas": { "Broken": { "type": 7 } } } }));
        assert!(broken.check().unwrap_err().contains("Broken"));
    }

    #[test]
    fn null_passes_only_where_the_specification_says_nullable() {
        assert!(rules(&json!({ "name": "a", "age": 1, "nick": null, "home": null })).is_empty());
        assert_eq!(rules(&json!({ "name": null, "age": 1 })), [("/name".to_owned(), "type".to_owned())]);
    }

    #[test]
    fn messages_never_repeat_the_value() {
        let faults = schemas().faults("Person", &json!({ "name": 1, "age": "planted-secret" })).unwrap();
        assert_eq!(faults.len(), 2);
        assert!(faults.iter().all(|fault| !fault.field.message.contains("planted-secret")));
    }
}
