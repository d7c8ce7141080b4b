//! CORS: allows calls from browsers by the web applications that the configuration names, and by no others.
//!
//! Credentials travel in headers that the application sets itself, never in cookies, so
//! `Access-Control-Allow-Credentials` is not sent and browsers add none by themselves.

use std::{collections::HashSet, sync::Arc};

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-Match, X-Api-Key, X-Organization-Id, \
     X-Request-Id",
);
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Allow, Content-Disposition, Idempotency-Replayed, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, \
     Retry-After, WWW-Authenticate, X-Client-Request-Id, X-Request-Id",
);
/// A day, in seconds; browsers cap it at less.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Middleware that answers preflights and marks answers for allowed origins. Other origins get no
/// CORS header, so that their browser keeps the answer from them.
#[derive(Debug, Clone)]
pub struct Cors {
    allowed: Arc<HashSet<String>>,
}

impl Cors {
    /// Allows these origins, written as browsers do: `https://app.example.org`.
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Self {
        Self { allowed: Arc::new(allowed.into_iter().collect()) }
    }

    /// Marks an answer that is given before the middleware is reached.
    pub(super) fn mark(&self, request: &Request, answer: &mut Response) {
        if !self.allowed.is_empty() {
            mark(answer.headers_mut(), self.origin(request));
        }
    }

    /// The origin of a request as an answer may repeat it.
    fn origin(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        self.allowed.contains(origin.to_str().ok()?).then(|| origin.clone())
    }
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CorsEndpoint { inner, cors: self.clone() }
    }
}

/// See [`Cors`].
pub struct CorsEndpoint<E> {
    inner: E,
    cors: Cors,
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if self.cors.allowed.is_empty() {
            return Ok(self.inner.call(request).await?.into_response());
        }
        let origin = self.cors.origin(&request);
        let mut response = if is_preflight(&request) {
            let mut response = StatusCode::NO_CONTENT.into_response();
            if origin.is_some() {
                let permission = [
                    (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                    (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
                    (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
                ];
                response.headers_mut().extend(permission);
            }
            response
        } else {
            self.inner.call(request).await?.into_response()
        };
        mark(response.headers_mut(), origin);
        Ok(response)
    }
}

/// A browser's question before a request that is more than a form could send.
fn is_preflight(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    *request.method() == Method::OPTIONS && has(header::ORIGIN) && has(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // Always, even without an origin: a cache must not give one origin the answer to another.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        let allowed: [(HeaderName, HeaderValue); 2] =
            [(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin), (header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS)];
        headers.extend(allowed);
    }
}
