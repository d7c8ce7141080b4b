//! One log line and one measurement a request.
//!
//! The line names the operation and its path as the specification writes it, never the path or
//! query as sent: those can hold ids and search terms.

use std::{sync::Arc, time::Instant};

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result, http::Method};

use super::{operation::Operation, request_id::RequestId};
use crate::error::ErrorCode;

/// Caller of a request, for the access log; the gate leaves it in the extensions.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Id of the user, if it is one.
    pub user_id: Option<i64>,
    /// Id of the organization the request was made in.
    pub organization_id: Option<i64>,
}

/// Middleware that logs and measures each request.
pub struct AccessLog;

impl<E: Endpoint> Middleware<E> for AccessLog {
    type Output = AccessLogEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AccessLogEndpoint { inner }
    }
}

/// See [`AccessLog`].
pub struct AccessLogEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for AccessLogEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let began = Instant::now();
        let method = method_name(request.method());
        let request_id = RequestId::of(&request).to_owned();
        let response = self.inner.call(request).await?.into_response();
        let elapsed = began.elapsed();
        let status = response.status().as_u16();
        let extensions = response.extensions();
        let operation = extensions.get::<Arc<Operation>>();
        let name = operation.map_or("unrouted", |operation| operation.id);
        let subject = extensions.get::<Subject>();
        tracing::info!(
            target: "access",
            request_id,
            method,
            operation = name,
            path = operation.map(|operation| operation.path.as_str()),
            status,
            code = extensions.get::<ErrorCode>().map(|code| code.0.as_ref()),
            user_id = subject.and_then(|subject| subject.user_id),
            organization_id = subject.and_then(|subject| subject.organization_id),
            micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
        metrics::counter!("http_requests_total", "operation" => name, "status" => status_class(status)).increment(1);
        metrics::histogram!("http_request_duration_seconds", "operation" => name).record(elapsed);
        Ok(response)
    }
}

/// Returns the name of a method of HTTP. The name of any other method is the caller's text, which must not be logged.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

fn status_class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
