//! Published schemas, each compiled once to a validator.
//!
//! Validation of a body allocates no memory. The faults of an invalid body are found list by list: each list's length
//! before its items, the items one after the other, so that the memory holds the faults of one item at a time, beside
//! the hundred that are reported.

mod dialect;
mod fault;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::OnceLock};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

pub(super) use self::fault::CHARACTERS;
pub use self::fault::{Faults, escape};
use self::{
    dialect::{each_schema, json_schema, name_items},
    fault::{NO_FORM, describe},
};
use crate::{error::FieldFault, value::FORMATS};

/// Maximum number of values in any body: about 20 MB when parsed.
const MOST_VALUES: usize = 150_000;
/// Number of values that a body may have in addition to 1.25 times those of the largest valid body, so that a slightly
/// too long list is reported as that fault.
const VALUES_TO_SPARE: usize = 1_000;
/// Depth to which schemas are followed, because a schema that refers to itself may nest infinitely.
const DEEPEST: usize = 16;

/// The validators of a schema and the size of its bodies, each made when it is first needed.
#[derive(Debug, Default)]
struct Compiled {
    /// Validator of the whole schema.
    whole: OnceLock<Result<Validator, String>>,
    /// Validator of the schema without the items of its lists.
    shell: OnceLock<Result<Validator, String>>,
    /// Maximum number of values of a body.
    most_values: OnceLock<usize>,
}

/// A validator for each schema of a specification, compiled when a body is first checked against it:
/// most of a service's schemas are of answers, and all of them together take longer than its start.
#[derive(Debug)]
pub struct Schemas {
    /// Every schema, as JSON Schema; those of items have names of their own.
    whole: Value,
    /// The same schemas, with lists of any items.
    shells: Value,
    compiled: HashMap<String, Compiled>,
}

impl Schemas {
    /// Takes all schemas under `components/schemas` of the finished document.
    pub fn all(document: &Value) -> Self {
        Self::of(document, |_| true)
    }

    /// Takes the schemas under `components/schemas` whose names `wanted` accepts; they must refer to no others. Most
    /// schemas are of answers, which nothing is checked against.
    pub fn of(document: &Value, wanted: impl Fn(&str) -> bool) -> Self {
        let all = document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten();
        let taken = all.filter(|(name, _)| wanted(name)).map(|(name, schema)| (name.clone(), schema.clone()));
        let mut schemas = Value::Object(taken.collect());
        json_schema(&mut schemas);
        name_items(&mut schemas);
        let mut shells = schemas.clone();
        for schema in shells.as_object_mut().into_iter().flat_map(Map::values_mut) {
            each_schema(schema, &mut |fields| {
                fields.remove("items");
            });
        }
        let names = schemas.as_object().into_iter().flat_map(Map::keys);
        let compiled = names.map(|name| (name.clone(), Compiled::default())).collect();
        Self { whole: schemas, shells, compiled }
    }

    /// Compiles all of them, so that a faulty schema is found when the specification is made, not at a request.
    pub fn check(&self) -> Result<(), String> {
        self.compiled.keys().try_for_each(|name| self.whole(name).and(self.shell(name)).map(|_| ()))
    }

    /// Returns the maximum number of values of a body with the schema `name`: those of the largest valid body, and a
    /// margin.
    pub fn most_values(&self, name: &str) -> usize {
        let count = || {
            let largest = self.named(name).map_or(1, |schema| self.largest(schema, DEEPEST));
            (largest + largest / 4).saturating_add(VALUES_TO_SPARE).min(MOST_VALUES)
        };
        // It follows the whole schema, which takes longer than parsing a small body.
        self.compiled.get(name).map_or_else(count, |compiled| *compiled.most_values.get_or_init(count))
    }

    /// Finds every fault of `value` against the schema called `name`.
    pub fn faults(&self, name: &str, value: &Value) -> Result<Faults, String> {
        let mut faults = Faults::default();
        if self.whole(name)?.is_valid(value) {
            return Ok(faults);
        }
        self.find(name, value, "", &mut faults)?;
        if faults.count() == 0 {
            // The fault is in a list that only one of several forms has.
            faults.add(|| FieldFault::new("", "invalid", NO_FORM));
        }
        Ok(faults)
    }

    /// Finds the faults that a valid value has once its texts are in their form: trimming shortens them, and composing
    /// takes some letters apart.
    pub fn faults_of_form(&self, name: &str, mut value: Value) -> Result<Faults, String> {
        if let Some(schema) = self.named(name) {
            self.bring_into_form(schema, &mut value);
        }
        self.faults(name, &value)
    }

    fn bring_into_form(&self, schema: &Value, value: &mut Value) {
        if let Some(name) = reference(schema) {
            if let Some(schema) = self.named(name) {
                self.bring_into_form(schema, value);
            }
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten().chain(only_form(schema)) {
            self.bring_into_form(part, value);
        }
        match value {
            Value::String(text) => {
                let format = FORMATS.iter().find(|format| schema["format"] == format.name);
                if let Some(form) = format.and_then(|format| (format.form)(text.as_str())) {
                    *text = form;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.bring_into_form(&schema["items"], item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    let schema = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                    self.bring_into_form(schema, value);
                }
            }
            _ => {}
        }
    }

    /// Finds the faults of a value at `pointer`, and of the items of its lists.
    fn find(&self, name: &str, value: &Value, pointer: &str, faults: &mut Faults) -> Result<(), String> {
        for error in self.shell(name)?.iter_errors(value) {
            describe(&error, pointer, faults);
        }
        match self.named(name) {
            Some(schema) => self.find_in_lists(schema, value, pointer, faults),
            None => Ok(()),
        }
    }

    fn find_in_lists(&self, schema: &Value, value: &Value, pointer: &str, faults: &mut Faults) -> Result<(), String> {
        if let Some(name) = reference(schema) {
            return self.named(name).map_or(Ok(()), |schema| self.find_in_lists(schema, value, pointer, faults));
        }
        for part in schema["allOf"].as_array().into_iter().flatten().chain(only_form(schema)) {
            self.find_in_lists(part, value, pointer, faults)?;
        }
        match value {
            Value::Array(items) => {
                let Some(name) = reference(&schema["items"]) else { return Ok(()) };
                // The fault of a list that is too long is found already, and its items are not checked.
                if schema["maxItems"].as_u64().is_some_and(|most| items.len() as u64 > most) {
                    return Ok(());
                }
                let whole = self.whole(name)?;
                for (index, item) in items.iter().enumerate().filter(|(_, item)| !whole.is_valid(item)) {
                    self.find(name, item, &format!("{pointer}/{index}"), faults)?;
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let schema = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                    if schema.is_object() && (value.is_array() || value.is_object()) {
                        self.find_in_lists(schema, value, &format!("{pointer}/{}", escape(name)), faults)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns an upper bound of the number of values in a valid value of `schema`.
    fn largest(&self, schema: &Value, deepest: usize) -> usize {
        if deepest == 0 {
            return MOST_VALUES;
        }
        if let Some(name) = reference(schema) {
            return self.named(name).map_or(1, |schema| self.largest(schema, deepest - 1));
        }
        let of = |schema: &Value| self.largest(schema, deepest - 1);
        let parts = |keyword: &str| schema[keyword].as_array().into_iter().flatten();
        let all: usize = parts("allOf").map(of).sum();
        let any = parts("anyOf").chain(parts("oneOf")).map(of).max().unwrap_or_default();
        let count = |keyword: &str| {
            schema[keyword].as_u64().map_or(MOST_VALUES, |most| usize::try_from(most).unwrap_or(MOST_VALUES))
        };
        let items = match &schema["items"] {
            Value::Null => 0,
            items => count("maxItems").saturating_mul(of(items)),
        };
        let fields: usize = schema["properties"].as_object().into_iter().flat_map(Map::values).map(of).sum();
        let others = match &schema["additionalProperties"] {
            Value::Null | Value::Bool(false) => 0,
            others => count("maxProperties").saturating_mul(of(others)),
        };
        (1 + all + any + fields).saturating_add(items).saturating_add(others).min(MOST_VALUES)
    }

    fn named(&self, name: &str) -> Option<&Value> {
        self.whole.get(name)
    }

    fn whole(&self, name: &str) -> Result<&Validator, String> {
        compiled(&self.compiled(name)?.whole, &self.whole, name)
    }

    fn shell(&self, name: &str) -> Result<&Validator, String> {
        compiled(&self.compiled(name)?.shell, &self.shells, name)
    }

    fn compiled(&self, name: &str) -> Result<&Compiled, String> {
        self.compiled.get(name).ok_or_else(|| format!("the document has no schema {name}"))
    }
}

fn compiled<'a>(
    place: &'a OnceLock<Result<Validator, String>>,
    schemas: &Value,
    name: &str,
) -> Result<&'a Validator, String> {
    let compile = || {
        let root = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": { "schemas": needed(schemas, name) },
        });
        let mut options = jsonschema::options();
        for format in FORMATS {
            options = options.with_format(format.name, format.is_valid);
        }
        options
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            // Matching takes linear time for every pattern.
            .with_pattern_options(PatternOptions::regex())
            .build(&root)
            .map_err(|error| format!("schema {name}: {error}"))
    };
    place.get_or_init(compile).as_ref().map_err(Clone::clone)
}

/// Returns the schema `name` and all that it refers to, directly or not. A validator keeps a copy of the document that
/// it was compiled from, and most schemas refer to few others.
fn needed(schemas: &Value, name: &str) -> Map<String, Value> {
    let mut needed = Map::new();
    let mut left = vec![name];
    while let Some(name) = left.pop() {
        if let Some(schema) = schemas.get(name).filter(|_| !needed.contains_key(name)) {
            needed.insert(name.to_owned(), schema.clone());
            references(schema, &mut left);
        }
    }
    needed
}

/// Collects the names of the schemas that this one refers to.
fn references<'a>(schema: &'a Value, names: &mut Vec<&'a str>) {
    names.extend(reference(schema));
    match schema {
        Value::Object(fields) => fields.values().for_each(|value| references(value, names)),
        Value::Array(values) => values.iter().for_each(|value| references(value, names)),
        _ => {}
    }
}

/// Returns the name of the schema that this one refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// Returns the other form of a value that may be null.
fn only_form(schema: &Value) -> Option<&Value> {
    let forms = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())?;
    let mut forms = forms.iter().filter(|form| form["type"] != "null");
    forms.next().filter(|_| forms.next().is_none())
}
