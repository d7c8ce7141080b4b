//! Finished OpenAPI specification of a service.
//!
//! poem-openapi emits OpenAPI 3.0.0 with a few inaccuracies. [`Document::of`] corrects them; every place that prints,
//! serves or checks a specification uses it.

mod mend;
mod texts;

use std::{collections::BTreeSet, marker::PhantomData};

use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService,
    registry::{MetaApi, MetaPath, Registry},
};
use serde_json::{Map, Value, json};

use self::mend::{close_request_schemas, copy_types_to_nullable, mend, text_without_nul, visit};
use super::{
    operation::{Operation, operations},
    schema::Schemas,
};
use crate::mark;

/// Largest integer that JavaScript represents exactly (2^53 − 1); no id or count exceeds it.
pub const LARGEST_INTEGER: i64 = 9_007_199_254_740_991;

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
#[derive(Debug)]
pub struct Document {
    text: String,
    value: Value,
    /// Names of the schemas of request bodies and of all that they refer to.
    of_requests: BTreeSet<String>,
    operations: Vec<Operation>,
}

/// A specification that contradicts itself or the declarations of the service; a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the specification is not sound: {}", .0.join("; "))]
pub struct DocumentFault(Vec<String>);

impl Document {
    /// Makes the finished specification of the API tuple `T`. Needs no database, secret or network.
    pub fn of<T: OpenApi>(info: &Info) -> Result<Self, DocumentFault> {
        let raw = OpenApiService::new(Shape::<T>(PhantomData), info.title, info.version)
            .description(info.description)
            .server("/")
            .spec();
        let mut value: Value =
            serde_json::from_str(&raw).map_err(|error| DocumentFault(vec![format!("not JSON: {error}")]))?;
        // The finished text is made in its place, so that the start needs less memory.
        drop(raw);
        let operations = operations::<T>();
        let of_requests = finish(&mut value, info, &operations);
        let mut faults = faults(&value, info);
        faults.extend(operations.iter().flat_map(|operation| operation.marks.faults(operation.id)));
        if !faults.is_empty() {
            return Err(DocumentFault(faults));
        }
        let text = format!("{value:#}\n");
        Ok(Self { text, value, of_requests, operations })
    }

    /// Checks that every schema can be compiled; a service compiles each only when it needs it.
    pub fn checked(self) -> Result<Self, DocumentFault> {
        Schemas::all(&self.value).check().map_err(|fault| DocumentFault(vec![fault]))?;
        Ok(self)
    }

    /// Returns the text that is printed, served and committed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text and the operations, and frees the rest: a tree of ten times the text's size.
    pub fn into_parts(self) -> (String, Vec<Operation>) {
        (self.text, self.operations)
    }

    /// Returns the texts of requests for which the specification states no allowed characters, as `Schema/field` and
    /// `operation?parameter`. Text that people type has a type of [`value`](crate::value); machine text has a pattern
    /// of ASCII.
    pub fn unstated_texts(&self) -> Vec<String> {
        texts::unstated(&self.value)
    }

    /// Returns the validators for the request bodies.
    pub fn schemas(&self) -> Schemas {
        Schemas::of(&self.value, |name| self.of_requests.contains(name))
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

/// Mends the specification and adds what the declarations state. Returns the names of the schemas of request bodies.
fn finish(document: &mut Value, info: &Info, operations: &[Operation]) -> BTreeSet<String> {
    document["openapi"] = json!("3.0.3");
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/MIT.html" });
    mend(document);
    copy_types_to_nullable(document);
    let of_requests = close_request_schemas(document);
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                finish_operation(operation, path, method, info, operations);
            }
        }
    }
    of_requests
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
