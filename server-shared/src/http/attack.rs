//! Paths that only a scanner asks for get a bare 404 before anything else runs.

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result, http::StatusCode};

use super::{client_ip::ClientIp, request_id::RequestId};

const PREFIXES: [&str; 14] = [
    "/.aws",
    "/.env",
    "/.git",
    "/.ssh",
    "/.svn",
    "/.vscode",
    "/actuator",
    "/cgi-bin",
    "/phpmyadmin",
    "/pma",
    "/solr",
    "/vendor/phpunit",
    "/wp-",
    "/xmlrpc",
];
const SUFFIXES: [&str; 6] = [".asp", ".aspx", ".bak", ".jsp", ".php", ".sql"];

/// Whether only a scanner would ask for `path`.
pub fn is_attack(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| path.ends_with(suffix))
        || path.contains("/../")
        || path.contains("%2e%2e")
}

/// Middleware that answers scanners and says so in the log and in `http_attacks_total`.
pub struct AttackBlocker;

impl<E: Endpoint> Middleware<E> for AttackBlocker {
    type Output = AttackBlockerEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AttackBlockerEndpoint { inner }
    }
}

/// See [`AttackBlocker`].
pub struct AttackBlockerEndpoint<E> {
    inner: E,
}

/// Left on the answer to a scanner: it stays bare instead of becoming an envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bare;

impl<E: Endpoint> Endpoint for AttackBlockerEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if !is_attack(request.uri().path()) {
            return Ok(self.inner.call(request).await?.into_response());
        }
        metrics::counter!("http_attacks_total").increment(1);
        let client_ip = ClientIp::of(&request).map(|ip| ip.to_string()).unwrap_or_default();
        tracing::warn!(
            event = "attack_path",
            request_id = RequestId::of(&request),
            client_ip,
            "a scanner was turned away"
        );
        let mut response = StatusCode::NOT_FOUND.into_response();
        response.extensions_mut().insert(Bare);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::is_attack;

    #[test]
    fn scanners_are_told_from_callers() {
        for path in
            ["/.env", "/.git/config", "/wp-admin/setup.php", "/WP-LOGIN.PHP", "/a/../../etc/passwd", "/dump.sql"]
        {
            assert!(is_attack(path), "{path}");
        }
        for path in ["/v1/patients/7", "/.well-known/jwks.json", "/docs", "/health"] {
            assert!(!is_attack(path), "{path}");
        }
    }
}
