//! Headers that tell a browser to trust an answer with nothing it doesn't need: those that OWASP's
//! cheat sheets ask of a JSON API.

use std::{sync::Arc, time::Duration};

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderName, HeaderValue, header},
};

/// An answer may bring its own of these, as `/docs` brings its policy.
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

/// Middleware that sets them where an answer does not bring its own.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    all: Arc<Vec<(HeaderName, HeaderValue)>>,
}

impl SecurityHeaders {
    /// With `hsts`, browsers are told to come by TLS only for that long, to subdomains too.
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
