//! The operations of a service, as its specification states them, and requests for them.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::Method;
use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use crate::Server;

/// Deeper than any body; schemas may refer to themselves.
const DEEPEST: usize = 8;

/// Place of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In the body, somewhere.
    Body,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// Place of the parameter.
    pub location: Location,
    /// Its name; in a body, that of the field.
    pub name: String,
    /// Its name; in a body, the JSON pointer of the field, with 0 for each list.
    pub pointer: String,
}

/// An operation of a specification.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its `operation_id`.
    pub id: String,
    /// The method.
    pub method: Method,
    /// The path, with its parameters as `{name}`.
    pub path: String,
    /// `true` if the operation needs no credentials.
    pub public: bool,
    /// `true` if the answer is protected health information.
    pub phi: bool,
    /// The statuses it succeeds with.
    pub successes: Vec<u16>,
    /// Every parameter of path and query, and those fields of the body that are ids.
    pub parameters: Vec<Parameter>,
    /// The parameters of the path that are ids, in its order.
    pub path_ids: Vec<String>,
    /// Ids in the path that are UUIDs.
    pub(super) uuids: Vec<String>,
    /// The names of the schemes, one of which lets a caller in.
    pub security: Vec<String>,
    /// The parameters of the query that may be left out, with their schemas.
    pub optional: Vec<(String, Value)>,
    /// The headers that it needs.
    pub(super) headers: Vec<String>,
    /// The headers that may be left out.
    pub(super) optional_headers: Vec<String>,
    /// `true` if its body may be compressed.
    pub(super) takes_gzip: bool,
    /// The parameters of the query that it needs, with their schemas.
    pub(super) needed: Vec<(String, Value)>,
    /// The schema of its body; null where it has none.
    pub(super) body: Value,
    /// The specification that the schema refers to.
    pub(super) document: Arc<Value>,
}

/// Input of a request for an operation: its parameters by name, and its body.
#[derive(Debug, Clone, Default)]
pub struct Fixture {
    parameters: BTreeMap<String, String>,
    body: Option<Value>,
}

impl Fixture {
    /// With a parameter of path or query.
    #[must_use]
    pub fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.parameters.insert(name.to_owned(), value.to_string());
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The same request, naming something else there.
    #[must_use]
    pub fn naming(mut self, parameter: &Parameter, value: &Value) -> Self {
        match parameter.location {
            Location::Path | Location::Query => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.with(&parameter.name, &text)
            }
            Location::Body => {
                let steps: Vec<&str> = parameter.pointer.split('/').skip(1).collect();
                put(self.body.get_or_insert_default(), &steps, value.clone());
                self
            }
        }
    }

    /// Returns the value of a parameter in path or query; `None` if the fixture has none of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The body.
    pub fn json(&self) -> Option<&Value> {
        self.body.as_ref()
    }
}

fn put(target: &mut Value, steps: &[&str], value: Value) {
    match steps {
        [] => *target = value,
        ["0", rest @ ..] => {
            if target.as_array().is_none_or(Vec::is_empty) {
                *target = json!([null]);
            }
            put(&mut target[0], rest, value);
        }
        [name, rest @ ..] => {
            if !target.is_object() {
                *target = json!({});
            }
            put(&mut target[*name], rest, value);
        }
    }
}

impl Operation {
    /// Every operation of the server's own specification, by id.
    pub fn all(server: &Server) -> Vec<Self> {
        let document: Value = serde_json::from_slice(&server.run("openapi")).expect("a specification is JSON");
        let document = Arc::new(document);
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("a specification has paths") {
            let methods = methods.as_object().expect("a path has methods");
            operations.extend(methods.iter().filter_map(|(method, stated)| Self::of(&document, path, method, stated)));
        }
        operations.sort_by(|one, other| one.id.cmp(&other.id));
        operations
    }

    pub(super) fn of(document: &Arc<Value>, path: &str, method: &str, stated: &Value) -> Option<Self> {
        let id = stated["operationId"].as_str()?.to_owned();
        let statuses = stated["responses"].as_object().into_iter().flatten();
        let mut parameters = Vec::new();
        for parameter in stated["parameters"].as_array().into_iter().flatten() {
            let location = match parameter["in"].as_str() {
                Some("path") => Location::Path,
                Some("query") => Location::Query,
                _ => continue,
            };
            let name = parameter["name"].as_str().expect("a parameter has a name").to_owned();
            parameters.push(Parameter { location, pointer: name.clone(), name });
        }
        let body = &stated["requestBody"]["content"]["application/json"]["schema"];
        let found = |place: &str, required: bool| -> Vec<(String, Value)> {
            let parameters = stated["parameters"].as_array().into_iter().flatten();
            let found = parameters.filter(|one| one["in"] == place && (one["required"] == true) == required);
            found
                .filter_map(|one| Some((one["name"].as_str()?.to_owned(), resolved(document, &one["schema"]))))
                .collect()
        };
        let schemes = stated["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        fields(document, body, &is_id, "", "", DEEPEST, &mut parameters);
        parameters.sort_unstable();
        parameters.dedup();
        Some(Self {
            id,
            method: Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method of HTTP"),
            path: path.to_owned(),
            public: stated["security"].as_array().is_none_or(Vec::is_empty),
            phi: stated["x-phi"] == true,
            successes: statuses.filter_map(|(status, _)| status.parse().ok()).filter(|s| *s < 300).collect(),
            parameters,
            path_ids: Self::ids_of_path(stated, |_| true),
            uuids: Self::ids_of_path(stated, |schema| schema["format"] == "uuid"),
            security: schemes.flat_map(Map::keys).cloned().collect(),
            optional: found("query", false),
            headers: found("header", true).into_iter().map(|(name, _)| name).collect(),
            optional_headers: found("header", false).into_iter().map(|(name, _)| name).collect(),
            takes_gzip: stated["requestBody"]["description"].as_str().is_some_and(|text| text.contains("gzip")),
            needed: found("query", true),
            body: body.clone(),
            document: Arc::clone(document),
        })
    }

    /// The example that the specification gives for its body; `None` if it has no body, or no example of it.
    pub fn example(&self) -> Option<Value> {
        Some(resolved(&self.document, &self.body)["example"].take()).filter(Value::is_object)
    }

    /// Returns the parameters of the query and the fields of the body that are moments.
    pub fn moments(&self) -> Vec<Parameter> {
        let mut found = Vec::new();
        fields(&self.document, &self.body, &is_moment, "", "", DEEPEST, &mut found);
        for (name, schema) in self.optional.iter().chain(&self.needed) {
            if is_moment(name, schema) {
                found.push(Parameter { location: Location::Query, name: name.clone(), pointer: name.clone() });
            }
        }
        found
    }

    /// Names of all parameters of the query.
    pub(super) fn query_names(&self) -> impl Iterator<Item = &str> {
        self.needed.iter().chain(&self.optional).map(|(name, _)| name.as_str())
    }

    /// The values of an enumeration of the specification.
    pub fn enumerated(&self, schema: &str) -> Vec<String> {
        let values = self.document["components"]["schemas"][schema]["enum"].as_array().into_iter().flatten();
        values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// The path and query of a request.
    pub fn target(&self, fixture: &Fixture) -> String {
        self.filled(self.path.clone(), fixture)
    }

    /// The same with a parameter of the path exactly as it is written here.
    pub(super) fn target_with(&self, fixture: &Fixture, parameter: &str, written: &str) -> String {
        let mut fixture = fixture.clone();
        fixture.parameters.remove(parameter);
        self.filled(self.path.replace(&format!("{{{parameter}}}"), written), &fixture)
    }

    fn filled(&self, mut path: String, fixture: &Fixture) -> String {
        let mut query = Vec::new();
        for (name, value) in &fixture.parameters {
            let value: String = byte_serialize(value.as_bytes()).collect();
            let place = format!("{{{name}}}");
            if path.contains(&place) {
                path = path.replace(&place, &value);
            } else {
                query.push(format!("{name}={value}"));
            }
        }
        assert!(!path.contains('{'), "the fixture of {} leaves out a parameter: {path}", self.id);
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }
}

/// A schema, or the one that it refers to.
fn resolved(document: &Value, schema: &Value) -> Value {
    let alone = schema["allOf"].as_array().and_then(|parts| parts.first()).unwrap_or(schema);
    match alone["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => schema.clone(),
    }
}

fn is_id(name: &str, _: &Value) -> bool {
    name == "id" || name.ends_with("_id") || name.ends_with("_ids")
}

fn is_moment(_: &str, schema: &Value) -> bool {
    schema["format"] == "date-time"
}

/// Collects the fields of a body that are `wanted` by their names and schemas, however deep.
fn fields(
    document: &Value,
    schema: &Value,
    wanted: &impl Fn(&str, &Value) -> bool,
    name: &str,
    pointer: &str,
    deepest: usize,
    found: &mut Vec<Parameter>,
) {
    if deepest == 0 {
        return;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a reference refers to a schema");
        return fields(document, schema, wanted, name, pointer, deepest - 1, found);
    }
    for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|part| schema[part].as_array()).flatten() {
        fields(document, part, wanted, name, pointer, deepest - 1, found);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        fields(document, schema, wanted, name, &format!("{pointer}/{name}"), deepest - 1, found);
    }
    if schema["items"].is_object() {
        return fields(document, &schema["items"], wanted, name, &format!("{pointer}/0"), deepest - 1, found);
    }
    if wanted(name, schema) {
        found.push(Parameter { location: Location::Body, name: name.to_owned(), pointer: pointer.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> Operation {
        let document = json!({ "components": { "schemas": {
            "Batch": { "properties": {
                "title": { "type": "string" },
                "patient_id": { "allOf": [{ "type": "integer" }] },
                "specialty_ids": { "items": { "type": "integer" } },
                "events": { "items": { "$ref": "#/components/schemas/Event" } },
            } },
            "Kind": { "enum": ["small", "large"] },
            "Event": { "properties": { "id": { "type": "string" }, "name": { "type": "string" } } },
        } } });
        let stated = json!({
            "operationId": "thing_update",
            "security": [{ "session_token": [] }],
            "parameters": [
                { "in": "path", "name": "thing_id" }, { "in": "header", "name": "x" },
                { "in": "query", "name": "kind", "schema": { "$ref": "#/components/schemas/Kind" } },
            ],
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Batch" } } } },
            "responses": { "200": {}, "404": {} },
        });
        Operation::of(&Arc::new(document), "/v1/things/{thing_id}", "put", &stated).unwrap()
    }

    #[test]
    fn an_operation_is_read_with_every_id_that_it_takes() {
        let operation = operation();
        assert_eq!(
            (operation.method.as_str(), operation.public, operation.successes.as_slice()),
            ("PUT", false, &[200][..])
        );
        assert_eq!(operation.optional, [("kind".to_owned(), json!({ "enum": ["small", "large"] }))]);
        let pointers: Vec<_> =
            operation.parameters.iter().map(|p| (p.location, p.name.as_str(), p.pointer.as_str())).collect();
        let expected = [
            (Location::Path, "thing_id", "thing_id"),
            (Location::Query, "kind", "kind"),
            (Location::Body, "id", "/events/0/id"),
            (Location::Body, "patient_id", "/patient_id"),
            (Location::Body, "specialty_ids", "/specialty_ids/0"),
        ];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn a_fixture_names_what_it_is_told_to() {
        let operation = operation();
        let mut fixture = Fixture::default().with("thing_id", &7).body(json!({ "title": "Knee", "specialty_ids": [] }));
        assert_eq!(operation.target(&fixture), "/v1/things/7");
        for parameter in &operation.parameters {
            fixture = fixture.naming(parameter, &json!(9));
        }
        assert_eq!(operation.target(&fixture), "/v1/things/9?kind=9");
        let body = json!({ "title": "Knee", "specialty_ids": [9], "patient_id": 9, "events": [{ "id": 9 }] });
        assert_eq!(fixture.json(), Some(&body));
    }
}
