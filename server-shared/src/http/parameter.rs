//! Parameters of the query and of the headers, bounded and known before any of them is read.

use std::collections::{BTreeMap, BTreeSet};

use poem::Request;
use poem_openapi::registry::{MetaOperation, MetaOperationParam, MetaParamIn, MetaSchemaRef, Registry};
use serde_json::json;

use crate::error::{ApiError, FieldFault};

/// Longest query in bytes: more than twice the longest valid query, a list of 100 ids.
const BYTES: usize = 8 * 1024;
/// Maximum number of parameters of a query.
const PARAMETERS: usize = 200;
/// Headers that are read on each request.
const HEADERS: [&str; 2] = ["Authorization", "Content-Type"];

/// Names of the parameters that an operation declares.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    query: Vec<Parameter>,
    /// Headers, with those that hold credentials.
    headers: Vec<String>,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    /// `true` if the parameter is declared as a list whose items are sent one by one.
    is_list: bool,
}

impl Parameters {
    /// Takes the declared parameters of an operation; `registry` holds the security schemes and named schemas.
    pub(super) fn of(operation: &MetaOperation, registry: &Registry) -> Self {
        let declared = |place: MetaParamIn| operation.params.iter().filter(move |param| param.in_type == place);
        let query = declared(MetaParamIn::Query);
        let query =
            query.map(|param| Parameter { name: param.name.clone(), is_list: is_exploded_list(param, registry) });
        let headers = declared(MetaParamIn::Header).map(|param| param.name.clone());
        // The gate reads the credentials of every scheme, to refuse those that an operation is not for.
        let schemes = registry.security_schemes.values().filter(|scheme| scheme.key_in == Some("header"));
        let credentials = schemes.filter(|_| !operation.security.is_empty()).filter_map(|scheme| scheme.name);
        Self { query: query.collect(), headers: headers.chain(credentials.map(str::to_owned)).collect() }
    }

    /// Adds a header that the gate reads.
    pub(super) fn add_header(&mut self, name: &str) {
        self.headers.push(name.to_owned());
    }

    /// Refuses a header that is given more than once: readers could take different ones of its values.
    pub(super) fn check_headers(&self, request: &Request) -> Result<(), ApiError> {
        let names = HEADERS.into_iter().chain(self.headers.iter().map(String::as_str));
        let repeated = names.filter(|name| request.headers().get_all(*name).iter().nth(1).is_some());
        let faults: Vec<FieldFault> = repeated.map(repeated_fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(repeated_parameter(&faults)) }
    }

    /// Refuses query parameters that the operation does not take, because a misspelt filter must not return
    /// everything, and those that are given more than once. Names are compared as they are decoded for the handler.
    pub(super) fn check_query(&self, request: &Request) -> Result<(), ApiError> {
        // The specification excludes U+0000 from every text; see `document`.
        if request.uri().path_and_query().is_some_and(|all| all.as_str().contains("%00")) {
            return Err(ApiError::bad_request(
                "invalid_parameter",
                "Path and query must not hold the character U+0000.",
            ));
        }
        if request.uri().query().is_none_or(str::is_empty) {
            return Ok(());
        }
        // Decoded as poem-openapi decodes it for the handler.
        let sent = request
            .params::<Vec<(String, String)>>()
            .map_err(|_| ApiError::bad_request("invalid_parameter", "The query could not be read."))?;
        // Each name once, however often it was sent.
        let (mut unknown, mut counts) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
        for (name, _) in &sent {
            match self.query.iter().find(|parameter| parameter.name == *name) {
                Some(parameter) if parameter.is_list => {}
                Some(parameter) => *counts.entry(&parameter.name).or_default() += 1,
                None => drop(unknown.insert(shown(name))),
            }
        }
        let unknown_fault = |name: &str| FieldFault::new(name, "unknown", "is no query parameter of this operation");
        let repeated = counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| repeated_fault(name));
        let mut faults: Vec<FieldFault> = unknown.iter().copied().map(unknown_fault).collect();
        faults.extend(repeated);
        if faults.is_empty() {
            return Ok(());
        }
        if unknown.is_empty() {
            return Err(repeated_parameter(&faults));
        }
        let known: Vec<&str> = self.query.iter().map(|parameter| parameter.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("The query has parameters that this operation does not take; it takes: {known}.");
        Err(ApiError::bad_request("unknown_parameter", message).with_fields(&faults))
    }
}

/// Bounds the query of a request before any of it is read.
pub(super) fn check_size(request: &Request) -> Result<(), ApiError> {
    let query = request.uri().query().unwrap_or_default();
    if query.len() <= BYTES && query.bytes().filter(|byte| *byte == b'&').count() < PARAMETERS {
        return Ok(());
    }
    let message = format!("A query has at most {PARAMETERS} parameters and {BYTES} bytes.");
    Err(ApiError::bad_request("query_too_large", message)
        .with_details(json!({ "parameters": PARAMETERS, "bytes": BYTES })))
}

/// The name is the caller's own text: it is repeated only if it is short and plain.
fn shown(name: &str) -> &str {
    let plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { name } else { "(unprintable)" }
}

fn is_exploded_list(param: &MetaOperationParam, registry: &Registry) -> bool {
    let schema = match &param.schema {
        MetaSchemaRef::Inline(schema) => Some(&**schema),
        MetaSchemaRef::Reference(name) => registry.schemas.get(name),
    };
    param.explode && schema.is_some_and(|schema| schema.ty == "array")
}

fn repeated_fault(name: &str) -> FieldFault {
    FieldFault::new(name, "repeated", "is given more than once")
}

fn repeated_parameter(faults: &[FieldFault]) -> ApiError {
    let message = "The request has parameters that are given more than once; see details.fields.";
    ApiError::bad_request("repeated_parameter", message).with_fields(faults)
}

#[cfg(test)]
mod tests {
    use poem_openapi::{
        OpenApi,
        param::{Header, Query},
    };

    use super::*;

    struct Api;

    #[OpenApi]
    impl Api {
        /// List
        #[oai(path = "/things", method = "get", operation_id = "thing_list")]
        async fn thing_list(
            &self,
            page: Query<Option<u32>>,
            kind: Query<Vec<String>>,
            #[oai(explode = false)] tags: Query<Vec<String>>,
            #[oai(name = "X-Mode")] mode: Header<Option<String>>,
        ) {
            let _ = (page.0, kind.0, tags.0, mode.0);
        }
    }

    fn parameters() -> Parameters {
        let mut registry = Registry::new();
        Api::register(&mut registry);
        Parameters::of(&Api::meta()[0].paths[0].operations[0], &registry)
    }

    fn refused(answer: Result<(), ApiError>) -> Option<String> {
        answer.err().map(|error| error.code().to_owned())
    }

    #[test]
    fn only_a_list_of_single_items_is_sent_more_than_once() {
        let parameters = parameters();
        let check = |query: &str| {
            let request = Request::builder().uri_str(format!("/things?{query}")).finish();
            refused(parameters.check_query(&request))
        };
        for query in ["", "&", "page=1&kind=a&tags=a,b", "kind=a&kind=b&k%69nd=a", "p%61ge=2", "page="] {
            assert_eq!(check(query), None, "{query}");
        }
        for query in ["page=1&page=1", "page=1&p%61ge=2", "page&page", "tags=a&tags=b", "kind=a&page=1&kind=b&page=2"] {
            assert_eq!(check(query).as_deref(), Some("repeated_parameter"), "{query}");
        }
        for query in ["pages=1", "Page=1", "page%00=1", "p+age=1", "page=1&page=2&x=1", "=1", "%ff=1"] {
            let code = if query.contains("%00") { "invalid_parameter" } else { "unknown_parameter" };
            assert_eq!(check(query).as_deref(), Some(code), "{query}");
        }
    }

    #[test]
    fn a_header_that_is_read_is_sent_once() {
        let mut parameters = parameters();
        parameters.add_header("X-Gate");
        let check = |headers: &[&str]| {
            let request = headers.iter().fold(Request::builder(), |request, name| request.header(*name, "a"));
            refused(parameters.check_headers(&request.finish()))
        };
        assert_eq!(check(&["x-mode", "X-Gate", "Authorization", "content-type", "accept", "accept"]), None);
        for name in ["X-Mode", "x-mode", "x-gate", "authorization", "Content-Type"] {
            assert_eq!(check(&[name, name]).as_deref(), Some("repeated_parameter"), "{name}");
        }
    }
}
