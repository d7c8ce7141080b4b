//! Headers that restrict a browser's use of an answer, as OWASP's cheat sheets recommend for a JSON API.

use std::{sync::Arc, time::Duration};

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderName, HeaderValue, header},
};

/// Headers and their values. An answer may have its own of these, as `/docs` has its policy.
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Middleware that sets the headers that an answer does not have.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    all: Arc<Vec<(HeaderName, HeaderValue)>>,
}

impl SecurityHeaders {
    /// Makes the middleware. For the time `hsts`, browsers use TLS alone, for subdomains too.
    pub fn new(hsts: Option<Duration>) -> Self {
        let mut all = HEADERS.to_vec();
        let text = hsts.map(|age| format!("max-age={}; includeSubDomains", age.as_secs()));
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            all.push((header::STRICT_TRANSPORT_SECURITY, value));
        }
        Self { all: Arc::new(all) }
    }
}

impl<E: Endpoint> Middleware<E> for SecurityHeaders {
    type Output = SecurityHeadersEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        SecurityHeadersEndpoint { inner, headers: self.clone() }
    }
}

/// See [`SecurityHeaders`].
pub struct SecurityHeadersEndpoint<E> {
    inner: E,
    headers: SecurityHeaders,
}

impl<E: Endpoint> Endpoint for SecurityHeadersEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let mut response = self.inner.call(request).await?.into_response();
        for (name, value) in self.headers.all.iter() {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        Ok(response)
    }
}
