//! Metadata of an operation, known before its handler is called.
//!
//! poem-openapi tells the operation only after the call. [`Operations`] wraps the tuple of API structs once and puts
//! an endpoint around each handler that knows the operation. It refuses repeated headers, reads the ids of the path
//! ([`PathIds`]), runs the [`Gate`] (authentication) before any parameter is extracted, refuses unknown and repeated
//! query parameters and encodings of the body that the operation does not take, enforces body limit and timeout,
//! catches panics innermost, and renders every error in the one envelope.

use std::{any::Any, collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Result,
    endpoint::BoxEndpoint,
    http::{Extensions, Method, StatusCode, header},
};
use poem_openapi::{
    OpenApi,
    error::{AuthorizationError, ContentTypeError, ParseMultipartError, ParseParamError, ParsePathError},
    registry::{MetaApi, MetaOperation, MetaParamIn, Registry},
};

use super::{
    access_log::Subject,
    body::BodyLimit,
    document::HeaderParameter,
    encoding, parameter,
    parameter::Parameters,
    path::{PathIds, PathParameter},
    rate_limit,
    request_id::RequestId,
};
use crate::{
    error::{ApiError, FieldFault},
    mark::Marks,
    rate_limit::Verdict,
};

/// One operation of the specification.
#[derive(Debug)]
pub struct Operation {
    /// Its `operation_id`.
    pub id: &'static str,
    /// The path as the specification writes it, e.g. `/v1/patients/{patient_id}`.
    pub path: String,
    /// The HTTP method.
    pub method: Method,
    /// Names of the security schemes, any of which admits a caller; empty for a public operation.
    pub security: Vec<&'static str>,
    /// The path parameters, in order.
    pub(crate) path_parameters: Vec<PathParameter>,
    /// Parameters of the query and the headers.
    parameters: Parameters,
    /// `true` if it reads a body.
    pub takes_body: bool,
    /// `true` if it takes a compressed body.
    takes_gzip: bool,
    /// Marks of the types of its answers.
    pub(super) marks: Marks,
}

impl Operation {
    fn new(path: &str, meta: &MetaOperation, registry: &Registry) -> Self {
        let path_parameters = meta.params.iter().filter(|param| param.in_type == MetaParamIn::Path);
        Self {
            id: meta.operation_id.unwrap_or("unnamed"),
            path: path.to_owned(),
            method: meta.method.clone(),
            security: meta.security.iter().flat_map(|schemes| schemes.keys().copied()).collect(),
            path_parameters: path_parameters.map(|param| PathParameter::of(path, param)).collect(),
            parameters: Parameters::of(meta, registry),
            takes_body: meta.request.is_some(),
            takes_gzip: encoding::takes_gzip(meta),
            marks: Marks::of(meta, registry),
        }
    }

    /// Returns true if the caller must be authenticated.
    pub fn secured(&self) -> bool {
        !self.security.is_empty()
    }

    /// Returns true if it discloses protected health information: it answers with
    /// [`Disclosed`](crate::mark::Disclosed).
    pub fn phi(&self) -> bool {
        self.marks.disclosed()
    }

    /// Returns true if its answer holds a secret that is [`ShownOnce`](crate::mark::ShownOnce).
    pub fn shows_secret(&self) -> bool {
        self.marks.shows_secret()
    }
}

/// Admits requests to their handlers before anything of them is parsed, and sees the answers.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Admits a request for a secured operation, or answers it: with an error, or with a response in place of the
    /// handler's. Leaves in the request's extensions the caller for the handlers' security scheme, a [`Subject`] for
    /// the access log and a [`Verdict`] for the headers about limits.
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError>;

    /// Takes the answer of each secured operation, the gate's own included, before it is rendered. `visit` holds the
    /// request's extensions after `admit`. Not called for a request whose connection is closed. It may panic and take
    /// as long as the handler may.
    async fn settle(
        &self,
        operation: &Operation,
        visit: &Extensions,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        let _ = (operation, visit);
        outcome
    }
}

/// Limits of a request. Beyond the largest body it is answered 413, beyond the timeout 503.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body in bytes.
    pub body: usize,
    /// Operations that take larger bodies: `operation_id` → bytes.
    pub body_of: HashMap<&'static str, usize>,
    /// Longest time for a handler.
    pub timeout: Duration,
}

impl Limits {
    /// Sets one mebibyte as the limit of every body.
    pub fn new(timeout: Duration) -> Self {
        Self { body: 1024 * 1024, body_of: HashMap::new(), timeout }
    }

    /// Sets another limit for the bodies of one operation.
    #[must_use]
    pub fn body_of(mut self, operation_id: &'static str, bytes: usize) -> Self {
        self.body_of.insert(operation_id, bytes);
        self
    }
}

/// Returns the operations of an API.
pub fn operations<T: OpenApi>() -> Vec<Operation> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let mut all = Vec::new();
    for api in T::meta() {
        for path in &api.paths {
            all.extend(path.operations.iter().map(|meta| Operation::new(&path.path, meta, &registry)));
        }
    }
    all
}

/// Tuple of APIs in which every endpoint knows its operation.
pub struct Operations<T> {
    api: T,
    known: Vec<Operation>,
    gate: Arc<dyn Gate>,
    headers: &'static [HeaderParameter],
    limits: Arc<Limits>,
}

impl<T: OpenApi> Operations<T> {
    /// Wraps `api`, whose operations are `known`; `gate` admits callers of secured operations and reads `headers`.
    pub fn new(
        api: T,
        known: Vec<Operation>,
        gate: Arc<dyn Gate>,
        headers: &'static [HeaderParameter],
        limits: Limits,
    ) -> Self {
        Self { api, known, gate, headers, limits: Arc::new(limits) }
    }

    /// Adds the headers that the gate reads to those that `operation` declares.
    fn with_headers_of_gate(&self, mut operation: Operation) -> Arc<Operation> {
        for header in self.headers {
            if operation.secured() && header.is_taken_by(&operation.method) {
                operation.parameters.add_header(header.name);
            }
        }
        Arc::new(operation)
    }
}

impl<T: OpenApi> OpenApi for Operations<T> {
    fn meta() -> Vec<MetaApi> {
        T::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn add_routes(mut self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut known: HashMap<(String, Method), Arc<Operation>> = std::mem::take(&mut self.known)
            .into_iter()
            .map(|operation| {
                ((route_pattern(&operation.path), operation.method.clone()), self.with_headers_of_gate(operation))
            })
            .collect();
        let mut inner = HashMap::new();
        self.api.add_routes(&mut inner);
        for (pattern, methods) in inner {
            for (method, endpoint) in methods {
                // Hidden operations have no metadata and stay as they are.
                let Some(operation) = known.remove(&(pattern.clone(), method.clone())) else {
                    table.entry(pattern.clone()).or_default().insert(method, endpoint);
                    continue;
                };
                let body_limit = self.limits.body_of.get(operation.id).copied().unwrap_or(self.limits.body);
                let wrapped = OperationEndpoint {
                    operation,
                    endpoint,
                    gate: Arc::clone(&self.gate),
                    body_limit,
                    timeout: self.limits.timeout,
                };
                table.entry(pattern.clone()).or_default().insert(method, wrapped.boxed());
            }
        }
    }
}

/// poem-openapi routes `/a/{x}/b/{y}` as `/a/:param0/b/:param1`.
fn route_pattern(path: &str) -> String {
    let mut count = 0;
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                count += 1;
                format!(":param{}", count - 1)
            } else {
                segment.to_owned()
            }
        })
        .collect();
    segments.join("/")
}

/// Message for the caller of a handler that took too long.
const HANDLER_GIVEN_UP: &str = "The request took too long and was given up; nothing is half done. Try again.";
/// Message if the handler finished, and [`Gate::settle`] took too long.
const SETTLE_GIVEN_UP: &str = "The request took too long and was given up; it is not known whether it was done. A \
                               repeat with the same Idempotency-Key is safe.";

/// Runs `work`, which answers a request. A panic becomes 500, and work that takes longer than `timeout` becomes 503
/// with the message `given_up`.
async fn guarded(
    timeout: Duration,
    given_up: &'static str,
    work: impl Future<Output = Result<Response, ApiError>>,
) -> Result<Response, ApiError> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(panicked(panic)),
        Err(_) => Err(ApiError::unavailable("request_timeout", given_up, format!("no answer within {timeout:?}"))),
    }
}

struct OperationEndpoint {
    operation: Arc<Operation>,
    endpoint: BoxEndpoint<'static>,
    gate: Arc<dyn Gate>,
    body_limit: usize,
    timeout: Duration,
}

impl Endpoint for OperationEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let request_id = RequestId::of(&request).to_owned();
        let mut visit = None;
        let mut outcome = guarded(self.timeout, HANDLER_GIVEN_UP, self.answer(request, &mut visit)).await;
        if let Some(visit) = &visit {
            let settling = self.gate.settle(&self.operation, visit, outcome);
            outcome = guarded(self.timeout, SETTLE_GIVEN_UP, settling).await;
        }
        let mut response = outcome.unwrap_or_else(|error| {
            report(&self.operation, &request_id, &error);
            error.render(&request_id)
        });
        response.extensions_mut().insert(Arc::clone(&self.operation));
        if let Some(verdict) = visit.as_ref().and_then(|visit| visit.get::<Verdict>()) {
            rate_limit::announce(verdict, response.headers_mut());
        }
        if let Some(subject) = visit.and_then(|mut visit| visit.remove::<Subject>()) {
            response.extensions_mut().insert(subject);
        }
        Ok(response)
    }
}

impl OperationEndpoint {
    async fn answer(&self, mut request: Request, visit: &mut Option<Extensions>) -> Result<Response, ApiError> {
        parameter::check_size(&request)?;
        self.operation.parameters.check_headers(&request)?;
        request.extensions_mut().insert(BodyLimit(self.body_limit));
        request.extensions_mut().insert(Arc::clone(&self.operation));
        let length = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.body_limit as u64) {
            super::body::drain(&mut request).await;
            return Err(super::body::too_large(self.body_limit));
        }
        let ids = PathIds::read(&self.operation, &request);
        request.extensions_mut().insert(ids.as_ref().cloned().unwrap_or_default());
        if self.operation.secured() {
            let admitted = self.gate.admit(&self.operation, &mut request).await;
            *visit = Some(request.extensions().clone());
            if let Some(answered) = admitted? {
                return Ok(answered);
            }
        }
        // After authentication, so that an unauthenticated caller learns nothing of valid ids.
        let checked = ids
            .and_then(|_| self.operation.parameters.check_query(&request))
            .and_then(|()| encoding::check(&request, self.operation.takes_gzip));
        if let Err(refusal) = checked {
            super::body::drain(&mut request).await;
            return Err(refusal);
        }
        match self.endpoint.call(request).await {
            Ok(response) => Ok(response.into_response()),
            Err(error) => Err(self.typed(error)),
        }
    }

    /// Turns poem's and poem-openapi's own errors into ours. Their texts echo the caller's input, so
    /// none of them is passed on.
    fn typed(&self, error: poem::Error) -> ApiError {
        if let Some(parameter) = error.downcast_ref::<ParsePathError>() {
            return bad_parameter(self.path_parameter(parameter.name), "path");
        }
        if let Some(parameter) = error.downcast_ref::<ParseParamError>() {
            return bad_parameter(self.path_parameter(parameter.name), "query or header");
        }
        if error.is::<ContentTypeError>() {
            return super::body::wrong_content_type();
        }
        if error.is::<AuthorizationError>() {
            return ApiError::unauthorized("unauthenticated", "Send valid credentials with the request.");
        }
        if error.is::<ParseMultipartError>() {
            return ApiError::bad_request("malformed_multipart", "The multipart body could not be read.");
        }
        let status = error.status();
        match error.downcast::<ApiError>() {
            Ok(ours) => ours,
            Err(_) if status.is_client_error() => {
                ApiError::new(status, "bad_request", status.canonical_reason().unwrap_or("Bad request"))
            }
            Err(foreign) => ApiError::internal(foreign.to_string()),
        }
    }

    /// poem-openapi calls path parameters `param0`, `param1`, …; callers know their names.
    fn path_parameter<'a>(&'a self, name: &'a str) -> &'a str {
        name.strip_prefix("param")
            .and_then(|index| index.parse::<usize>().ok())
            .and_then(|index| self.operation.path_parameters.get(index))
            .map_or(name, |parameter| parameter.name.as_str())
    }
}

pub(super) fn bad_parameter(name: &str, place: &str) -> ApiError {
    ApiError::bad_request("invalid_parameter", format!("The {place} parameter `{name}` is missing or not valid."))
        .with_fields(&[FieldFault::new(name, "invalid", "see the specification of this parameter at /docs")])
}

/// Logs the cause of a 5xx, which only the operator may see.
pub(crate) fn report(operation: &Operation, request_id: &str, error: &ApiError) {
    if !error.status().is_server_error() {
        return;
    }
    let cause = error.cause_chain().unwrap_or_default();
    if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(operation = operation.id, request_id, code = error.code(), cause, "request failed");
    } else {
        tracing::warn!(operation = operation.id, request_id, code = error.code(), cause, "dependency failed");
    }
}

/// Makes the error of a handler's panic: its place, without its text, which may quote data. (At `debug` the panic hook
/// logs the text.)
fn panicked(panic: Box<dyn Any + Send>) -> ApiError {
    // The payload is dropped unread.
    drop(panic);
    let place = crate::logging::place_of_last_panic();
    ApiError::internal(format!("the handler panicked at {}", place.as_deref().unwrap_or("an unknown place")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[derive(Clone, Copy)]
    enum Flaw {
        Panics,
        Hangs,
    }

    /// A gate that answers in the handler's place and fails to settle.
    struct Flawed(Flaw);

    #[async_trait]
    impl Gate for Flawed {
        async fn admit(&self, _: &Operation, _: &mut Request) -> Result<Option<Response>, ApiError> {
            Ok(Some(Response::default()))
        }

        async fn settle(
            &self,
            _: &Operation,
            _: &Extensions,
            _: Result<Response, ApiError>,
        ) -> Result<Response, ApiError> {
            match self.0 {
                Flaw::Panics => panic!("Planted Name"),
                Flaw::Hangs => std::future::pending().await,
            }
        }
    }

    /// Status and body of an operation behind a gate that fails to settle.
    async fn answer_behind(flaw: Flaw) -> (StatusCode, String) {
        let operation = Operation {
            id: "thing_create",
            path: "/v1/things".to_owned(),
            method: Method::POST,
            security: vec!["bearer"],
            path_parameters: Vec::new(),
            parameters: Parameters::default(),
            takes_body: false,
            takes_gzip: false,
            marks: Marks::default(),
        };
        let endpoint = OperationEndpoint {
            operation: Arc::new(operation),
            endpoint: poem::endpoint::make_sync(|_| ()).map_to_response().boxed(),
            gate: Arc::new(Flawed(flaw)),
            body_limit: 1024,
            timeout: LIMIT,
        };
        let response = endpoint.call(Request::builder().finish()).await.unwrap();
        (response.status(), response.into_body().into_string().await.unwrap())
    }

    #[tokio::test]
    async fn a_gate_that_panics_after_the_handler_is_an_internal_error() {
        let (status, body) = answer_behind(Flaw::Panics).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.contains("Planted"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_hangs_after_the_handler_is_given_up_and_the_caller_told_what_is_safe() {
        let (status, body) = answer_behind(Flaw::Hangs).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("request_timeout") && body.contains("Idempotency-Key"), "{body}");
        assert!(!body.contains("nothing is half done"), "nobody knows that: {body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_hangs_is_given_up_in_time() {
        let began = tokio::time::Instant::now();
        let error = guarded(LIMIT, HANDLER_GIVEN_UP, std::future::pending()).await.unwrap_err();
        assert_eq!((error.code(), began.elapsed()), ("request_timeout", LIMIT));
    }

    #[test]
    fn what_a_panic_says_is_no_part_of_the_error() {
        let error = panicked(Box::new("no patient Planted Name".to_owned()));
        let logged = format!("{error:?} {}", error.cause_chain().unwrap_or_default());
        assert!(logged.contains("panicked at") && !logged.contains("Planted"), "{logged}");
    }

    #[test]
    fn paths_become_the_patterns_that_poem_openapi_routes() {
        assert_eq!(route_pattern("/v1/patients"), "/v1/patients");
        assert_eq!(route_pattern("/v1/a/{x}/b/{y}"), "/v1/a/:param0/b/:param1");
    }
}
