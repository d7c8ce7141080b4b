//! Finished OpenAPI specification of a service.
//!
//! poem-openapi emits OpenAPI 3.0.0 with a few inaccuracies. [`Document::of`] corrects them; every place that prints,
//! serves or checks a specification uses it.

mod texts;

use std::{collections::BTreeSet, marker::PhantomData};

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    registry::{MetaApi, MetaPath, Registry},
};
use serde_json::{Map, Value, json};

use super::{
    operation::{Operation, operations},
    schema::Schemas,
};
use crate::mark;

/// Largest integer that JavaScript represents exactly (2^53 − 1); no id or count exceeds it.
pub const LARGEST_INTEGER: i64 = 9_007_199_254_740_991;

/// Any text without U+0000.
const TEXT: &str = r"^[^\x00]*$";

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Head of a service's specification.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Name of the service.
    pub title: &'static str,
    /// Semantic version of the contract, not of the binary.
    pub version: &'static str,
    /// Description of the service, in Markdown.
    pub description: &'static str,
    /// Operations that need no credentials. An operation without security that is not listed here is a fault.
    pub public: &'static [&'static str],
    /// Headers that the gate reads and no handler declares; parameters of each secured operation.
    pub headers: &'static [HeaderParameter],
}

/// An optional header.
#[derive(Debug, Clone, Copy)]
pub struct HeaderParameter {
    /// Name of the header.
    pub name: &'static str,
    /// Description of the header.
    pub description: &'static str,
    /// Kind of its value.
    pub holds: HeaderValue,
    /// Method whose operations take it; `None` for every method.
    pub method: Option<&'static str>,
}

impl HeaderParameter {
    /// Returns true if the secured operations of `method` take it.
    pub(super) fn is_taken_by(&self, method: &Method) -> bool {
        self.method.is_none_or(|only| method.as_str().eq_ignore_ascii_case(only))
    }
}

/// Kind of a header's value.
#[derive(Debug, Clone, Copy)]
pub enum HeaderValue {
    /// A number that this service assigned as an id.
    Id,
    /// 1 to 255 printable characters of ASCII.
    Text,
}

impl HeaderValue {
    fn schema(self) -> Value {
        match self {
            Self::Id => json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST_INTEGER }),
            Self::Text => json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
        }
    }
}

/// A finished specification: the text that is printed, served and committed, and its value.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    value: Value,
}

/// A specification that contradicts itself or the declarations of the service; a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the specification is not sound: {}", .0.join("; "))]
pub struct DocumentFault(Vec<String>);

impl Document {
    /// Makes the finished specification of the API tuple `T`. Needs no database, secret or network.
    pub fn of<T: OpenApi>(info: &Info) -> Result<Self, DocumentFault> {
        let service = OpenApiService::new(Shape::<T>(PhantomData), info.title, info.version)
            .description(info.description)
            .server("/");
        let raw = service.spec();
        let mut value: Value =
            serde_json::from_str(&raw).map_err(|error| DocumentFault(vec![format!("not JSON: {error}")]))?;
        let operations = operations::<T>();
        finish(&mut value, info, &operations);
        let mut faults = faults(&value, info);
        faults.extend(operations.iter().flat_map(|operation| operation.marks.faults(operation.id)));
        if !faults.is_empty() {
            return Err(DocumentFault(faults));
        }
        let text = format!("{value:#}\n");
        Ok(Self { text, value })
    }

    /// Checks that every schema can be compiled; a service compiles each only when it needs it.
    pub fn checked(self) -> Result<Self, DocumentFault> {
        self.schemas().check().map_err(|fault| DocumentFault(vec![fault]))?;
        Ok(self)
    }

    /// Returns the text that is printed, served and committed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the texts of requests for which the specification states no allowed characters, as `Schema/field` and
    /// `operation?parameter`. Text that people type has a type of [`value`](crate::value); machine text has a pattern
    /// of ASCII.
    pub fn unstated_texts(&self) -> Vec<String> {
        texts::unstated(&self.value)
    }

    /// Returns the validators for the request bodies.
    pub fn schemas(&self) -> Schemas {
        Schemas::of(&self.value)
    }

    /// Returns every path with its methods, for `Allow`.
    pub fn methods(&self) -> Vec<(String, Vec<Method>)> {
        let Some(paths) = self.value["paths"].as_object() else { return Vec::new() };
        paths
            .iter()
            .map(|(path, item)| {
                let keys = item.as_object().into_iter().flat_map(Map::keys);
                let methods = keys.filter_map(|key| key.to_uppercase().parse().ok()).collect();
                (path.clone(), methods)
            })
            .collect()
    }
}

/// Merges the methods of a path that several APIs share. If the path were written twice, the last entry would hide the
/// others.
fn one_item_a_path(mut apis: Vec<MetaApi>) -> Vec<MetaApi> {
    let mut items: Vec<(usize, MetaPath)> = Vec::new();
    for (number, api) in apis.iter_mut().enumerate() {
        for path in std::mem::take(&mut api.paths) {
            match items.iter_mut().find(|(_, item)| item.path == path.path) {
                Some((_, item)) => item.operations.extend(path.operations),
                None => items.push((number, path)),
            }
        }
    }
    for (number, item) in items {
        apis[number].paths.push(item);
    }
    apis
}

/// Type of an API without a value of it, which suffices to print its specification.
struct Shape<T>(PhantomData<T>);

impl<T: OpenApi> OpenApi for Shape<T> {
    fn meta() -> Vec<MetaApi> {
        let mut apis = one_item_a_path(T::meta());
        let paths = apis.iter_mut().flat_map(|api| &mut api.paths);
        paths.flat_map(|path| &mut path.operations).for_each(mark::unwrap_answers);
        apis
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(
        self,
        _table: &mut std::collections::HashMap<String, std::collections::HashMap<Method, BoxEndpoint<'static>>>,
    ) {
        // A shape serves nothing.
    }
}

fn finish(document: &mut Value, info: &Info, operations: &[Operation]) {
    document["openapi"] = json!("3.0.3");
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/MIT.html" });
    mend(document);
    copy_types_to_nullable(document);
    close_request_schemas(document);
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                finish_operation(operation, path, method, info, operations);
            }
        }
    }
}

/// Corrects inaccuracies of poem-openapi in all parts of the document.
fn mend(node: &mut Value) {
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
fn copy_types_to_nullable(document: &mut Value) {
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
/// texts, which can't be stored.
fn close_request_schemas(document: &mut Value) {
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
}

/// Adds the pattern that excludes U+0000, which PostgreSQL's text can't hold, to a text of a request. A text with a
/// pattern of its own excludes it already.
fn text_without_nul(fields: &mut Map<String, Value>) {
    let is_text = fields.get("type") == Some(&json!("string"));
    if is_text && !["enum", "format", "pattern"].iter().any(|narrower| fields.contains_key(*narrower)) {
        fields.insert("pattern".to_owned(), json!(TEXT));
    }
}

fn finish_operation(
    operation: &mut Map<String, Value>,
    path: &str,
    method: &str,
    info: &Info,
    operations: &[Operation],
) {
    let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let secured = operation.contains_key("security");
    if !secured {
        operation.insert("security".to_owned(), json!([]));
    }
    if operations.iter().any(|operation| operation.id == id && operation.phi()) {
        operation.insert("x-phi".to_owned(), json!(true));
    }
    if secured && !info.headers.is_empty() {
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            let taken = info.headers.iter().filter(|header| header.method.is_none_or(|only| only == method));
            parameters.extend(taken.map(|header| {
                json!({
                    "name": header.name, "in": "header", "description": header.description, "required": false,
                    "schema": header.holds.schema(),
                })
            }));
        }
    }
    if let Some(parameters) = operation.get_mut("parameters") {
        visit(parameters, &mut text_without_nul);
    }
    // An operation for signed requests answers 401 to a wrong signature.
    let signed = operation.get("parameters").and_then(Value::as_array).is_some_and(|parameters| {
        parameters.iter().any(|p| p["in"] == "header" && p["name"].as_str().is_some_and(|n| n.ends_with("-signature")))
    });
    // An operation whose query holds a secret answers 404 to an unknown one.
    let linked = operation.get("parameters").and_then(Value::as_array).is_some_and(|parameters| {
        parameters.iter().any(|parameter| parameter["in"] == "query" && parameter["name"] == "token")
    });
    let has_body = operation.contains_key("requestBody");
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        // Keeps only statuses that the operation can answer. Any request can have unknown or repeated parameters (400)
        // or a `Content-Encoding` (415).
        responses.retain(|status, _| match status.as_str() {
            "401" => secured || signed,
            "403" => secured,
            "404" => secured || linked || path.contains('{'),
            "409" => method != "get",
            "413" => has_body,
            // In a POST without a body, the Idempotency-Key can be wrong.
            "422" => has_body || (secured && method == "post"),
            _ => true,
        });
        for (status, response) in responses {
            if response["description"] == json!("") {
                response["description"] = json!(if status == "201" { "Created." } else { "Success." });
            }
        }
    }
}

/// Returns the faults that make a specification unfit to publish.
fn faults(document: &Value, info: &Info) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let Some(paths) = document["paths"].as_object() else { return vec!["there are no paths".to_owned()] };
    for (path, item) in paths {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            if id.is_empty() {
                faults.push(format!("{method} {path} has no operation_id"));
            }
            if operation["security"] == json!([]) && !info.public.contains(&id) {
                faults.push(format!("{id} needs no caller but is not on the list of public operations"));
            }
            seen.insert(id.to_owned());
        }
    }
    for listed in info.public {
        if !seen.contains(*listed) {
            faults.push(format!("{listed} is listed as public, but there is no such operation"));
        }
    }
    faults
}

fn visit(node: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
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
    fn a_path_of_two_apis_keeps_the_methods_of_both() {
        struct Read;
        struct Write;
        #[OpenApi]
        impl Read {
            /// Read it.
            #[oai(path = "/thing", method = "get", operation_id = "thing_get")]
            async fn thing_get(&self) {}
        }
        #[OpenApi]
        impl Write {
            /// Delete it.
            #[oai(path = "/thing", method = "delete", operation_id = "thing_delete")]
            async fn thing_delete(&self) {}
        }
        let public = &["thing_get", "thing_delete"];
        let info = Info { title: "t", version: "1.0.0", description: "d", public, headers: &[] };
        let document = Document::of::<(Read, Write)>(&info).unwrap();
        assert_eq!(document.methods(), [("/thing".to_owned(), vec![Method::GET, Method::DELETE])]);
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
