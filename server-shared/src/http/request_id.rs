//! Generates an id for each request, which every log line, audit row and error of the request carries.
//!
//! The caller's own id of the request is a separate value. Callers would write names into a free text, and the trail
//! can't be changed; so it is accepted only in the form of an id, and stored only where erasure reaches it.

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result, http::HeaderValue};
use uuid::Uuid;

/// Header with the caller's id in a request, and with ours in every answer.
pub const HEADER: &str = "x-request-id";
/// Header with the caller's id in an answer, if it was accepted.
pub const CLIENT_HEADER: &str = "x-client-request-id";

/// The id of the request at hand, found in its extensions: a UUIDv7, so it sorts by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Returns the id of `request`; empty without the middleware in front.
    pub fn of(request: &Request) -> &str {
        request.extensions().get::<Self>().map_or("", |id| id.0.as_str())
    }
}

/// Id that the caller gave the request. It is stored only where erasure reaches it, and never logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientRequestId(Uuid);

impl ClientRequestId {
    /// Returns that of `request`, if it has one.
    pub fn of(request: &Request) -> Option<Uuid> {
        request.extensions().get::<Self>().map(|id| id.0)
    }

    /// Reads the header. Accepts a UUID, or the 32 hexadecimal digits of a trace's id, which are one; neither has room
    /// for words.
    fn read(sent: &str) -> Option<Self> {
        matches!(sent.len(), 32 | 36).then(|| Uuid::try_parse(sent).ok()).flatten().map(Self)
    }
}

/// Middleware that generates an id for each request, and returns it and the caller's in the answer.
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
        let id = Uuid::now_v7().to_string();
        let sent = request.headers().get(HEADER).cloned();
        let client = sent.as_ref().and_then(|sent| ClientRequestId::read(sent.to_str().ok()?));
        request.extensions_mut().insert(RequestId(id.clone()));
        if let Some(client) = client {
            request.extensions_mut().insert(client);
        }
        let mut response = self.inner.call(request).await?.into_response();
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(HEADER, value);
        }
        // As it was sent, for the caller to compare.
        if let (Some(_), Some(sent)) = (client, sent) {
            headers.insert(CLIENT_HEADER, sent);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::ClientRequestId;

    #[test]
    fn the_ids_of_callers_are_ids_by_their_form() {
        let read = |sent| ClientRequestId::read(sent).map(|id| id.0.to_string());
        let id = "0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11";
        assert_eq!(read(id).as_deref(), Some(id));
        assert_eq!(read("0190B6A07C1E7B5E9A550D2B6D1F3C11").as_deref(), Some(id), "a trace's id");
        for words in [
            "",
            "ada-lovelace-1815-12-10",
            "adaadaad-adaa-adaa-adaa-lovelaceada",
            "{0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11}",
            "urn:uuid:0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11",
            "0190b6a0-7c1e-7b5e-9a55-0d2b6d1f3c11 ",
        ] {
            assert_eq!(read(words), None, "{words}");
        }
    }
}
