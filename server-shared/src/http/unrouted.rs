//! Answers to requests for no operation (unknown path, wrong method), in the one envelope.

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{Method, StatusCode},
};

use super::{attack::Bare, document::Document, request_id::RequestId};
use crate::error::{ApiError, ErrorCode};

/// Middleware that turns bare 404s and 405s into envelopes, with `Allow` on the latter.
pub struct Unrouted {
    paths: Vec<(String, Vec<Method>)>,
}

impl Unrouted {
    /// Takes the paths of `document` with their methods.
    pub fn new(document: &Document) -> Self {
        Self { paths: document.methods() }
    }
}

impl<E: Endpoint> Middleware<E> for Unrouted {
    type Output = UnroutedEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        UnroutedEndpoint { inner, paths: self.paths.clone() }
    }
}

/// See [`Unrouted`].
pub struct UnroutedEndpoint<E> {
    inner: E,
    paths: Vec<(String, Vec<Method>)>,
}

impl<E: Endpoint> Endpoint for UnroutedEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let request_id = RequestId::of(&request).to_owned();
        let path = request.uri().path().to_owned();
        let response = self.inner.get_response(request).await;
        let extensions = response.extensions();
        let answered = extensions.get::<ErrorCode>().is_some() || extensions.get::<Bare>().is_some();
        let status = response.status();
        if answered || !(status.is_client_error() || status.is_server_error()) {
            return Ok(response);
        }
        let error = match status {
            StatusCode::NOT_FOUND => {
                ApiError::not_found("route_not_found", "There is no such path; /docs lists those there are.")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ApiError::new(status, "method_not_allowed", "The path does not have this method; see the Allow header.")
                    .with_allow(self.allow(&path))
            }
            status if status.is_client_error() => {
                ApiError::new(status, "bad_request", status.canonical_reason().unwrap_or("Bad request"))
            }
            _ => ApiError::internal(format!("status {status} outside of every operation")),
        };
        if let Some(cause) = error.cause_chain() {
            tracing::error!(request_id, cause, "request failed");
        }
        Ok(error.render(&request_id).into_response())
    }
}

impl<E> UnroutedEndpoint<E> {
    fn allow(&self, path: &str) -> String {
        let mut methods: Vec<&str> =
            routed(&self.paths, path).flat_map(|(_, methods)| methods.iter().map(Method::as_str)).collect();
        if methods.is_empty() || methods.contains(&"GET") {
            // Paths outside of the specification (/docs, /openapi.json, /metrics) only have GET.
            methods.extend(["GET", "HEAD"]);
        }
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }
}

/// Returns the paths that requests for `path` are routed to: a literal segment takes precedence over a parameter.
fn routed<'a, T>(paths: &'a [(String, T)], path: &'a str) -> impl Iterator<Item = &'a (String, T)> {
    let literal = |template: &str| template.split('/').filter(|part| !part.starts_with('{')).count();
    let matching = move || paths.iter().filter(move |(template, _)| matches(template, path));
    let most = matching().map(|(template, _)| literal(template)).max().unwrap_or_default();
    matching().filter(move |(template, _)| literal(template) == most)
}

fn matches(template: &str, path: &str) -> bool {
    let mut ours = template.split('/');
    let mut theirs = path.split('/');
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(our), Some(their)) if our == their || our.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, routed};

    #[test]
    fn what_is_spelled_out_goes_before_parameters() {
        let paths = ["/v1/appointments/{id}", "/v1/appointments/book", "/v1/appointments/{id}/hold"];
        let paths = paths.map(|path| (path.to_owned(), ()));
        let of = |path| routed(&paths, path).map(|(template, ())| template.as_str()).collect::<Vec<_>>();
        assert_eq!(of("/v1/appointments/book"), ["/v1/appointments/book"]);
        assert_eq!(of("/v1/appointments/7"), ["/v1/appointments/{id}"]);
        assert_eq!(of("/v1/appointments/7/hold"), ["/v1/appointments/{id}/hold"]);
        assert_eq!(of("/v1/nothing/7/hold"), Vec::<&str>::new());
    }

    #[test]
    fn templates_match_whole_paths() {
        assert!(matches("/v1/patients/{patient_id}", "/v1/patients/7"));
        assert!(!matches("/v1/patients/{patient_id}", "/v1/patients"));
        assert!(!matches("/v1/patients", "/v1/patients/7"));
    }
}
