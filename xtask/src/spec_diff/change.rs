//! One change, with its operations and its field.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::impact;

/// Direction in which the changed part is sent; the same change has different effects in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Response,
    /// The operation itself, or something outside operations.
    Neither,
}

#[derive(Debug)]
pub(super) struct Change {
    pub(super) is_breaking: bool,
    /// `major`, `minor` or `patch`.
    impact: String,
    /// redocly's rule, if one judged it; else `added`, `removed` or `modified`.
    rule: String,
    pub(super) direction: Direction,
    /// Ids of the operations it reaches, the first being where it was found.
    pub(super) operations: Vec<String>,
    /// Part that changed, in the terms of the specification: `response field Thing.uid`.
    pub(super) subject: String,
    /// `true` if the removed field was required in answers.
    pub(super) was_required: bool,
    message: String,
}

impl Change {
    /// Reads an entry of redocly's report.
    pub(super) fn read(entry: &Value, old: &Value, new: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let verdict = &entry["verdicts"][0];
        let place = segments(&text("path"));
        let direction = match place.get(3).map(String::as_str) {
            Some("responses") => Direction::Response,
            Some("requestBody" | "parameters") => Direction::Request,
            _ => Direction::Neither,
        };
        let (side, spec) = if entry["base"].is_object() { (&entry["base"], old) } else { (&entry["revision"], new) };
        let pointer = segments(side["pointer"].as_str().unwrap_or_default());

        let property = entry["property"].as_str();
        let (named, was_required) = match property {
            // The list of required fields changed: the change is about those that came or went.
            Some("required") => (required_changed(entry).map(|name| with_field(&pointer, &name)), false),
            _ => (None, is_required(&pointer, old)),
        };
        let subject = subject(&place, named.as_deref().unwrap_or(&pointer), property, direction, spec);
        let message = verdict["message"].as_str().map_or_else(
            || match property {
                Some(property) => format!(
                    "{} {}: {} → {}",
                    text("kind"),
                    property,
                    short(&entry["base"]["value"]),
                    short(&entry["revision"]["value"])
                ),
                None => text("kind"),
            },
            str::to_owned,
        );
        Self {
            is_breaking: entry["impact"] == "major",
            impact: text("impact"),
            rule: verdict["ruleId"].as_str().map_or_else(|| text("kind"), str::to_owned),
            direction,
            operations: operations(&place, &pointer, direction, spec),
            subject,
            was_required,
            message,
        }
    }

    /// The lines that tell a person about it.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let class = if self.is_breaking { "BREAKING" } else { "compatible" };
        let place = match self.operations.as_slice() {
            [] => String::new(),
            all => format!("{} · ", all.join(", ")),
        };
        // Writing to a String can't fail.
        let _ =
            write!(text, "  {class:<10} {place}{}: {} ({}, {})", self.subject, self.message, self.impact, self.rule);
        if self.is_breaking {
            let clients = impact::clients(&self.rule, self.direction, self);
            let _ =
                write!(text, "\n             Rust: {}\n             TypeScript: {}", clients.rust, clients.typescript);
        }
        text
    }
}

/// The name of the field that came to, or went from, a list of required fields.
fn required_changed(entry: &Value) -> Option<String> {
    let list = |side: &str| entry[side]["value"].as_array().cloned().unwrap_or_default();
    let (old, new) = (list("base"), list("revision"));
    let changed = old.iter().filter(|name| !new.contains(name)).chain(new.iter().filter(|name| !old.contains(name)));
    let names: Vec<_> = changed.filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The pointer of a schema's field, from that of its list of required fields.
fn with_field(required: &[String], name: &str) -> Vec<String> {
    let schema = required.strip_suffix(&["required".to_owned()]).unwrap_or(required);
    schema.iter().cloned().chain(["properties".to_owned(), name.to_owned()]).collect()
}

/// Returns `true` if the schema requires the field at the pointer.
fn is_required(pointer: &[String], spec: &Value) -> bool {
    let [schema @ .., properties, name] = pointer else { return false };
    let schema = schema.iter().try_fold(spec, |at, part| at.get(part.as_str()));
    properties == "properties"
        && schema.is_some_and(|schema| schema["required"].as_array().is_some_and(|list| list.iter().any(|n| n == name)))
}

/// The unescaped parts of a JSON pointer.
fn segments(pointer: &str) -> Vec<String> {
    pointer
        .trim_start_matches("#/")
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn short(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text }
}

/// Names what changed: a field by its schema, a parameter by its name, else the place in the document.
fn subject(place: &[String], pointer: &[String], property: Option<&str>, direction: Direction, spec: &Value) -> String {
    let way = match direction {
        Direction::Request => "request ",
        Direction::Response => "response ",
        Direction::Neither => "",
    };
    if place.get(3).map(String::as_str) == Some("parameters") {
        let name = place.get(4).and_then(|index| {
            let parameter = spec.pointer(&format!("/paths/{}/{}/parameters/{index}", escape(&place[1]), place[2]))?;
            parameter["name"].as_str().map(str::to_owned)
        });
        return format!("parameter `{}`", name.or_else(|| place.get(4).cloned()).unwrap_or_default());
    }
    let field = |parts: &[String]| {
        let mut names = Vec::new();
        let mut rest = parts.iter();
        while let Some(part) = rest.next() {
            match part.as_str() {
                "properties" => names.extend(rest.next().cloned()),
                "items" => {
                    if let Some(last) = names.last_mut() {
                        last.push_str("[]");
                    }
                }
                _ => {}
            }
        }
        names.join(".")
    };
    if let [components, schemas, name, rest @ ..] = pointer
        && components == "components"
        && schemas == "schemas"
    {
        let inner = field(rest);
        return if inner.is_empty() { format!("{way}type `{name}`") } else { format!("{way}field `{name}.{inner}`") };
    }
    match place {
        [paths, path, method] if paths == "paths" => {
            let what = property.map(|property| format!(" {property}")).unwrap_or_default();
            format!("{} {path}{what}", method.to_uppercase())
        }
        [paths, _, _, _, status, ..] if paths == "paths" && direction == Direction::Response => {
            let inner = field(&place[4..]);
            if inner.is_empty() { format!("response {status}") } else { format!("response {status} field `{inner}`") }
        }
        [paths, _, _, ..] if paths == "paths" && direction == Direction::Request => {
            let inner = field(&place[3..]);
            if inner.is_empty() { "request body".to_owned() } else { format!("request field `{inner}`") }
        }
        _ => place.join("/"),
    }
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// The operation the change was found at, then the others that reach the same schema the same way: redocly reports a
/// shared schema once.
fn operations(place: &[String], pointer: &[String], direction: Direction, spec: &Value) -> Vec<String> {
    let id = |path: &str, method: &str| {
        let operation = &spec["paths"][path][method];
        operation["operationId"].as_str().map_or_else(|| format!("{} {path}", method.to_uppercase()), str::to_owned)
    };
    let mut found = Vec::new();
    if let [paths, path, method, ..] = place
        && paths == "paths"
    {
        found.push(id(path, method));
    }
    let shared = pointer.first().is_some_and(|part| part == "components").then(|| pointer.get(2)).flatten();
    let Some(shared) = shared.filter(|_| direction != Direction::Neither) else { return found };

    let part = if direction == Direction::Response { "responses" } else { "requestBody" };
    let paths = spec["paths"].as_object().into_iter().flatten();
    for (path, method, operation) in paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    }) {
        let mut reached = BTreeSet::new();
        schemas_reach(&operation[part], spec, &mut reached);
        let id = id(path, method);
        if reached.contains(shared.as_str()) && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// The names of all component schemas that `value` refers to, at any depth.
fn schemas_reach<'a>(value: &'a Value, spec: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            if let Some(name) =
                object.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/components/schemas/"))
                && into.insert(name)
            {
                schemas_reach(&spec["components"]["schemas"][name], spec, into);
            }
            object.values().for_each(|inner| schemas_reach(inner, spec, into));
        }
        Value::Array(items) => items.iter().for_each(|inner| schemas_reach(inner, spec, into)),
        _ => {}
    }
}
