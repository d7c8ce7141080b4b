//! Effects of a breaking change on the users of each SDK.

use super::change::{Change, Direction};

/// One sentence for each kind of client.
pub(super) struct Clients {
    pub(super) rust: String,
    pub(super) typescript: String,
}

/// Describes the effects of a breaking change on released clients, and on code that updates to the new SDK.
pub(super) fn clients(rule: &str, direction: Direction, change: &Change) -> Clients {
    let operation = change.operations.first().map_or("", String::as_str);
    let method = camel_case(operation);
    let subject = &change.subject;
    let both = |rust: String, typescript: String| Clients { rust, typescript };
    match (rule, direction) {
        ("operation-removed" | "path-removed", _) => both(
            format!("released clients get 404 from `{operation}`; with the new SDK the method is gone (compile error)"),
            format!("released clients throw ApiError 404 from `{method}`; with the new SDK the function is gone (type error)"),
        ),
        ("operation-id-changed", _) => both(
            format!("released clients go on; with the new SDK `{operation}` has another name (compile error)"),
            format!("released clients go on; with the new SDK `{method}` has another name (type error)"),
        ),
        ("property-removed", Direction::Response) if !change.was_required => both(
            format!("released clients read None for {subject}; code that reads it no longer compiles with the new SDK"),
            format!("released clients read undefined for {subject}; code that reads it no longer type-checks"),
        ),
        ("property-removed" | "required-properties-removed", Direction::Response) => both(
            format!("released clients fail with InvalidResponsePayload on an answer without {subject}; code that reads it no longer compiles with the new SDK"),
            format!("released clients read undefined for {subject}, contrary to its type; code that reads it no longer type-checks"),
        ),
        ("property-removed", Direction::Request) => both(
            format!("released clients that send {subject} get 400 (unknown field)"),
            format!("released clients that send {subject} throw ApiError 400 (unknown field)"),
        ),
        ("required-properties-added" | "parameter-became-required" | "request-body-became-required", _) => both(
            "released clients that leave it out get 400 or 422; with the new SDK the builder refuses to send without it".to_owned(),
            "released clients that leave it out throw ApiError 400 or 422; with the new SDK leaving it out is a type error".to_owned(),
        ),
        ("parameter-removed", _) => both(
            format!("released clients send {subject} in vain or get 400; with the new SDK the builder has no such method"),
            format!("released clients send {subject} in vain or throw ApiError 400; with the new SDK it is a type error"),
        ),
        ("enum-values-added", Direction::Response) => both(
            "released clients fail with InvalidResponsePayload on a value they don't know; a `match` is no longer exhaustive".to_owned(),
            "released clients receive a value outside the union; an exhaustive `switch` no longer type-checks".to_owned(),
        ),
        ("enum-values-removed", _) => both(
            "released clients that send the value get 400 or 422; with the new SDK the variant is gone".to_owned(),
            "released clients that send the value throw ApiError 400 or 422; with the new SDK it is a type error".to_owned(),
        ),
        ("schema-type-changed" | "schema-combinator-changed", Direction::Response) => both(
            "released clients fail with InvalidResponsePayload; with the new SDK the type differs".to_owned(),
            "released clients hold a value of another type than they were compiled for; with the new SDK it is a type error".to_owned(),
        ),
        ("schema-type-changed" | "schema-combinator-changed" | "schema-constraint-changed", _) => both(
            "released clients send values that are now refused with 422".to_owned(),
            "released clients send values that are now refused: ApiError 422".to_owned(),
        ),
        ("response-removed" | "media-type-removed", _) => both(
            "code that expects this answer never sees it again; where another status replaces it, released clients fail with UnexpectedResponse".to_owned(),
            "code that expects this answer never sees it again; the new SDK's types no longer name it".to_owned(),
        ),
        ("security-requirement-changed" | "security-scheme-changed", _) => both(
            "released clients authenticated the old way get 401 or 403".to_owned(),
            "released clients authenticated the old way throw ApiError 401 or 403".to_owned(),
        ),
        _ => both(
            format!("released clients were generated for the old {subject}; regenerate and adapt the code that uses `{operation}`"),
            format!("released clients were generated for the old {subject}; regenerate and adapt the code that uses `{method}`"),
        ),
    }
}

/// The name the TypeScript SDK gives an operation: `patient_create` → `patientCreate`.
fn camel_case(operation: &str) -> String {
    let mut parts = operation.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
