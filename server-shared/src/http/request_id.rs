//! A name for each request, from the caller or made here, that every log line, audit row and error
//! of the request carries.

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result, http::HeaderValue};
use uuid::Uuid;

/// The header that carries the id both ways.
pub const HEADER: &str = "x-request-id";

/// The id of the request at hand, found in its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id of `request`; empty when the middleware is not in front.
    pub fn of(request: &Request) -> &str {
        request.extensions().get::<Self>().map_or("", |id| id.0.as_str())
    }
}

/// Middleware that takes a caller's id when it is harmless, else makes one, and echoes it.
pub struct RequestIds;

impl<E: Endpoint> Middleware<E> for RequestIds {
    type Output = RequestIdEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequestIdEndpoint { inner }
    }
}

/// See [`RequestIds`].
pub struct RequestIdEndpoint<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for RequestIdEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let id = request
            .header(HEADER)
            .filter(|id| acceptable(id))
            .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        request.extensions_mut().insert(RequestId(id.clone()));
        let mut response = self.inner.call(request).await?.into_response();
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, value);
        }
        Ok(response)
    }
}

/// A foreign id ends up in logs and audit rows, so it is short and of harmless characters.
fn acceptable(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::acceptable;

    #[test]
    fn foreign_ids_are_short_and_harmless() {
        assert!(acceptable("0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11"));
        assert!(!acceptable("short"));
        assert!(!acceptable("id with\nline break"));
        assert!(!acceptable(&"a".repeat(65)));
    }
}
