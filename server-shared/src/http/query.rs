//! The parameters of a query, bounded and known before any of them is read.

use std::collections::BTreeSet;

use poem::Request;
use serde_json::json;

use crate::error::{ApiError, FieldFault};

/// Longest query in bytes: more than twice the longest that an operation takes, a hundred ids.
const BYTES: usize = 8 * 1024;
/// Most parameters of a query.
const PARAMETERS: usize = 200;

/// Bounds the query of a request before anybody looks at what is in it.
pub(super) fn check_size(request: &Request) -> Result<(), ApiError> {
    let query = request.uri().query().unwrap_or_default();
    if query.len() <= BYTES && query.bytes().filter(|byte| *byte == b'&').count() < PARAMETERS {
        return Ok(());
    }
    let message = format!("A query has at most {PARAMETERS} parameters and {BYTES} bytes.");
    Err(ApiError::bad_request("query_too_large", message)
        .with_details(json!({ "parameters": PARAMETERS, "bytes": BYTES })))
}

/// A misspelt filter must not silently return everything: all parameters are among `known`.
pub(super) fn check_names(request: &Request, known: &[String]) -> Result<(), ApiError> {
    // The specification says of every text that it has no U+0000; see `document`.
    if request.uri().path_and_query().is_some_and(|all| all.as_str().contains("%00")) {
        return Err(ApiError::bad_request("invalid_parameter", "Path and query must not hold the character U+0000."));
    }
    let Some(query) = request.uri().query() else { return Ok(()) };
    // Each name once, however often it was sent.
    let unknown: BTreeSet<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .filter(|name| !known.iter().any(|parameter| parameter == name))
        // The name is the caller's own text: repeat it only where it can't hold anything.
        .map(|name| {
            let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if plain { name } else { "(unprintable)" }
        })
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let fault = |name: &str| FieldFault::new(name, "unknown", "is no query parameter of this operation");
    let faults: Vec<FieldFault> = unknown.into_iter().map(fault).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("The query has parameters that this operation does not take; it takes: {known}.");
    Err(ApiError::bad_request("unknown_parameter", message).with_fields(&faults))
}
