//! The one error type of every operation and the envelope it is rendered in.
//!
//! The caller sees `code`, `message` and `details`. The internal `cause` is a field of its own that can't be rendered;
//! it goes to the log once.

mod fault;

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use poem::{
    Response,
    error::ResponseError,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Json, Payload},
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::{ToJSON, Type},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use fault::{Fault, FaultKind};

/// Body of every error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Object)]
pub struct ErrorEnvelope {
    /// Error.
    pub error: ErrorBody,
}

/// Error, for a program (`code`, `details`) and for a person (`message`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ErrorBody {
    /// Stable, machine-readable name of the fault; never changes once released.
    pub code: String,
    /// Description of the fault for people, with a remedy if there is one. The text may change.
    pub message: String,
    /// Facts about the fault, depending on `code`. For wrong values, `fields` lists at most 100 faults, each with
    /// `pointer` (a JSON pointer into the body, or the name of a parameter), `rule` (the name of the broken rule) and
    /// `message`; `count` is the number of all faults.
    pub details: Option<Value>,
    /// Id of the request, for enquiries to support; the same as in the header `X-Request-Id`.
    pub request_id: String,
}

/// One fault of a request body or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// JSON pointer into the body, or the parameter's name.
    pub pointer: String,
    /// Name of the broken rule, e.g. `required`, `max_length`.
    pub rule: Cow<'static, str>,
    /// Description of a valid value; never repeats the sent value, which may be personal.
    pub message: String,
}

impl FieldFault {
    /// Creates a fault of the field at `pointer`.
    pub fn new(pointer: impl Into<String>, rule: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { pointer: shortened(printable(pointer.into())), rule: rule.into(), message: message.into() }
    }
}

/// Maximum number of faults listed in an answer.
pub const FAULTS_LISTED: usize = 100;
/// Maximum number of bytes of their texts together.
const FAULTS_TEXT: usize = 32 * 1024;
/// Longest pointer in bytes: names in it are the caller's own text.
const LONGEST_POINTER: usize = 200;

/// Returns details that list at most [`FAULTS_LISTED`] faults under `fields` and the number of all under `count`.
pub fn fields(faults: &[FieldFault]) -> Value {
    fields_of(faults, faults.len())
}

fn fields_of(faults: &[FieldFault], count: usize) -> Value {
    let mut left = FAULTS_TEXT;
    let fitting = faults.iter().take(FAULTS_LISTED).take_while(|fault| {
        let text = fault.pointer.len() + fault.rule.len() + fault.message.len();
        left = left.saturating_sub(text);
        left > 0
    });
    let fields: Vec<&FieldFault> = fitting.collect();
    serde_json::json!({ "fields": fields, "count": count })
}

/// Replaces each invisible character and each character that changes the direction of text by U+FFFD.
fn printable(pointer: String) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{180e}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}'
            )
    };
    if pointer.chars().any(hidden) { pointer.replace(hidden, "\u{fffd}") } else { pointer }
}

fn shortened(mut pointer: String) -> String {
    if pointer.len() > LONGEST_POINTER {
        pointer.truncate(pointer.floor_char_boundary(LONGEST_POINTER));
        pointer.push('…');
    }
    pointer
}

/// The one error type of every operation: a status, a stable code, a message, and a cause that is
/// logged but never rendered.
pub struct ApiError(Box<Parts>);

/// Parts of an error, on the heap: every handler's result reserves room for an error, and few are one.
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    details: Option<Value>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// Writes an error and its causes as one line for the log.
pub fn causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

/// Every error status of an operation, with its description.
const STATUSES: [(u16, &str); 13] = [
    (400, "The request is malformed: no JSON, an unknown or repeated field, or a fault in path, query or headers."),
    (401, "The request has no valid credentials."),
    (403, "The caller is authenticated but not allowed to do this."),
    (404, "The resource does not exist, or the caller may not see it."),
    (405, "The path does not support the method; the header `Allow` lists the supported methods."),
    (409, "The request conflicts with the present state of the resource; `code` states the conflict."),
    (413, "The body has more bytes or more values than the operation accepts."),
    (415, "The operation does not accept the content type or the content encoding of the body."),
    (422, "The body is well formed, but values in it are wrong; `details.fields` lists the faults."),
    (429, "The caller or its network address has sent too many requests; try again after `Retry-After` seconds."),
    (500, "The service has a fault, which is logged under the request id."),
    (
        502,
        "A service that this one depends on refused a request or sent an invalid answer; a retry is unlikely to help.",
    ),
    (503, "A dependency is unavailable or overloaded; try again after `Retry-After` seconds."),
];

impl ApiError {
    /// Creates an error with the given status; prefer the named constructors.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            status,
            code: code.into(),
            message: message.into(),
            details: None,
            retry_after: None,
            allow: None,
            cause: None,
        }))
    }

    /// 400: the request is malformed.
    pub fn bad_request(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401: no valid credentials.
    pub fn unauthorized(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403: the caller is authenticated but not allowed to do this.
    pub fn forbidden(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404: the resource does not exist, or belongs to another organization.
    pub fn not_found(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409: the request conflicts with the present state of the resource.
    pub fn conflict(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 422: values of a well-formed body are wrong; see [`ApiError::with_fields`].
    pub fn validation(faults: &[FieldFault]) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
            "Some values are not valid; see details.fields.",
        )
        .with_fields(faults)
    }

    /// 503: a dependency is down; `cause` is logged.
    pub fn unavailable(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        error.0.retry_after = Some(Duration::from_secs(1));
        error.0.cause = Some(cause.into());
        error
    }

    /// 500: a bug. The cause is logged under the request id and never shown.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "An unexpected fault; it has been logged under the request id.",
        );
        error.0.cause = Some(cause.into());
        error
    }

    /// Adds facts for programs.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Lists at most [`FAULTS_LISTED`] faults under `details.fields` and the number of all under `details.count`.
    #[must_use]
    pub fn with_fields(self, faults: &[FieldFault]) -> Self {
        self.with_fields_of(faults, faults.len())
    }

    /// Does the same for `faults` that are only the first ones of `count`.
    #[must_use]
    pub fn with_fields_of(self, faults: &[FieldFault], count: usize) -> Self {
        self.with_details(fields_of(faults, count))
    }

    /// Adds a `Retry-After` header, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Adds an `Allow` header (405).
    #[must_use]
    pub fn with_allow(mut self, methods: String) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Adds the cause that is logged.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Returns the cause and its causes as one line for the log.
    pub fn cause_chain(&self) -> Option<String> {
        self.0.cause.as_deref().map(|cause| causes(cause))
    }

    /// Renders the envelope. The code travels along as an extension for the access log.
    pub fn render(self, request_id: &str) -> Response {
        let parts = *self.0;
        let envelope = ErrorEnvelope {
            error: ErrorBody {
                code: parts.code.to_string(),
                message: parts.message.into_owned(),
                details: parts.details,
                request_id: request_id.to_owned(),
            },
        };
        let mut response =
            Response::builder().status(parts.status).content_type("application/json").body(envelope.to_json_string());
        let headers = response.headers_mut();
        if let Some(after) = parts.retry_after {
            // Rounded up: a caller that waits this long must not come too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = parts.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if parts.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(ErrorCode(parts.code));
        response
    }
}

/// Code of an error answer, left in the response's extensions. If it is present, the body is an envelope already.
#[derive(Debug, Clone)]
pub struct ErrorCode(pub Cow<'static, str>);

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("status", &self.0.status.as_u16())
            .field("code", &self.0.code)
            .field("cause", &self.cause_chain())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.0.code)
    }
}

impl StdError for ApiError {}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        let responses = STATUSES
            .iter()
            .map(|&(status, description)| MetaResponse {
                description,
                status: Some(status),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Json::<ErrorEnvelope>::CONTENT_TYPE,
                    schema: ErrorEnvelope::schema_ref(),
                }],
                headers: error_headers(status),
            })
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ErrorEnvelope::register(registry);
    }
}

fn error_headers(status: u16) -> Vec<MetaHeader> {
    let header = |name: &str, description: &str, schema: MetaSchema| MetaHeader {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    };
    let number =
        |minimum: f64| MetaSchema { minimum: Some(minimum), ..MetaSchema::new_with_format("integer", "int32") };
    let retry_after = || header("Retry-After", "Seconds to wait before the next attempt.", number(1.0));
    match status {
        429 => vec![
            retry_after(),
            header("RateLimit-Limit", "Number of requests in the whole budget for requests of this kind.", number(1.0)),
            header("RateLimit-Remaining", "Number of requests that the budget still allows now.", number(0.0)),
            header("RateLimit-Reset", "Seconds until the whole budget is available again.", number(0.0)),
        ],
        503 => vec![retry_after()],
        405 => vec![header("Allow", "Methods that the path supports, separated by commas.", MetaSchema::new("string"))],
        401 => vec![header("WWW-Authenticate", "Scheme of authentication: `Bearer`.", MetaSchema::new("string"))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_envelope_shows_the_code_and_hides_the_cause() {
        let cause = std::io::Error::other("password=hunter2");
        let error = ApiError::internal(cause);
        assert_eq!(error.cause_chain().as_deref(), Some("password=hunter2"));
        let body = error.render("request-1").into_body().into_string().await.unwrap();
        let envelope: ErrorEnvelope = serde_json::from_str(&body).unwrap();
        assert_eq!((envelope.error.code.as_str(), envelope.error.request_id.as_str()), ("internal_error", "request-1"));
        assert!(!body.contains("hunter2"), "the cause must never be rendered: {body}");
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let error = ApiError::unavailable("database_unavailable", "Try again.", "down")
            .with_retry_after(Duration::from_millis(1200));
        assert_eq!(error.render("r").headers()[header::RETRY_AFTER], "2");
    }
}
