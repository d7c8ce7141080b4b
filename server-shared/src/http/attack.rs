//! Answers paths that only scanners request with a bare 404 before anything else runs.

use std::{net::IpAddr, sync::Arc};

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result, http::StatusCode};

use super::{client_ip::ClientIp, request_id::RequestId};

/// Target of a scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttackKind {
    /// Configuration, keys, version control, backups.
    Secrets,
    /// Consoles of software that the service does not have.
    Console,
    /// Scripts of languages that the service does not use.
    Script,
    /// Path that leaves the directory.
    Traversal,
}

use AttackKind::{Console, Script, Secrets, Traversal};

const PREFIXES: [(&str, AttackKind); 26] = [
    ("/.aws", Secrets),
    ("/.docker", Secrets),
    ("/.ds_store", Secrets),
    ("/.env", Secrets),
    ("/.git", Secrets),
    ("/.hg", Secrets),
    ("/.htaccess", Secrets),
    ("/.htpasswd", Secrets),
    ("/.idea", Secrets),
    ("/.kube", Secrets),
    ("/.npmrc", Secrets),
    ("/.ssh", Secrets),
    ("/.svn", Secrets),
    ("/.vscode", Secrets),
    ("/_profiler", Console),
    ("/actuator", Console),
    ("/adminer", Console),
    ("/cgi-bin", Script),
    ("/jenkins", Console),
    ("/phpmyadmin", Console),
    ("/pma", Console),
    ("/server-status", Console),
    ("/solr", Console),
    ("/vendor/", Script),
    ("/wp-", Console),
    ("/xmlrpc", Script),
];
const SUFFIXES: [(&str, AttackKind); 13] = [
    (".asp", Script),
    (".aspx", Script),
    (".bak", Secrets),
    (".cgi", Script),
    (".env", Secrets),
    (".jsp", Script),
    (".old", Secrets),
    (".pem", Secrets),
    (".php", Script),
    (".sql", Secrets),
    (".swp", Secrets),
    (".tar.gz", Secrets),
    ("/etc/passwd", Secrets),
];
const PARTS: [(&str, AttackKind); 4] =
    [("/../", Traversal), ("%2e%2e", Traversal), ("..%2f", Traversal), ("${jndi:", Script)];

impl AttackKind {
    /// Returns the target of a scanner that requests `path`; `None` if other callers could request it.
    pub fn of(path: &str) -> Option<Self> {
        let path = path.to_ascii_lowercase();
        let known = |list: &[(&str, Self)], matches: fn(&str, &str) -> bool| {
            list.iter().find(|(text, _)| matches(&path, text)).map(|(_, kind)| *kind)
        };
        known(&PARTS, |path, part| path.contains(part))
            .or_else(|| known(&PREFIXES, |path, prefix| path.starts_with(prefix)))
            .or_else(|| known(&SUFFIXES, |path, suffix| path.ends_with(suffix)))
    }

    /// Returns its name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Console => "console",
            Self::Script => "script",
            Self::Traversal => "traversal",
        }
    }
}

/// Callback for each blocked request of a scanner; it must not block.
pub type OnBlocked = Arc<dyn Fn(Option<IpAddr>, AttackKind) + Send + Sync>;

/// Middleware that answers scanners, and reports them to the log, to `http_attacks_total` and to the service's
/// callback, if it has one.
#[derive(Clone)]
pub struct AttackBlocker {
    on_blocked: Option<OnBlocked>,
}

impl AttackBlocker {
    /// Makes the middleware; it calls `on_blocked`, if there is one.
    pub fn new(on_blocked: Option<OnBlocked>) -> Self {
        Self { on_blocked }
    }
}

impl<E: Endpoint> Middleware<E> for AttackBlocker {
    type Output = AttackBlockerEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AttackBlockerEndpoint { inner, blocker: self.clone() }
    }
}

/// See [`AttackBlocker`].
pub struct AttackBlockerEndpoint<E> {
    inner: E,
    blocker: AttackBlocker,
}

/// Extension of an answer to a scanner, which gets no envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bare;

impl<E: Endpoint> Endpoint for AttackBlockerEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let Some(kind) = AttackKind::of(request.uri().path()) else {
            return Ok(self.inner.call(request).await?.into_response());
        };
        let ip = ClientIp::of(&request);
        metrics::counter!("http_attacks_total", "kind" => kind.as_str()).increment(1);
        tracing::warn!(
            target: "security",
            event = "attack_path",
            kind = kind.as_str(),
            request_id = RequestId::of(&request),
            client_ip = ip.map(|ip| ip.to_string()),
            "a scanner was turned away"
        );
        if let Some(on_blocked) = &self.blocker.on_blocked {
            on_blocked(ip, kind);
        }
        let mut response = StatusCode::NOT_FOUND.into_response();
        response.extensions_mut().insert(Bare);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanners_are_told_from_callers() {
        for (path, kind) in [
            ("/.env", Secrets),
            ("/.git/config", Secrets),
            ("/wp-admin/setup.php", Console),
            ("/WP-LOGIN.PHP", Console),
            ("/a/../../etc/passwd", Traversal),
            ("/v1/%2E%2E/%2e%2e/etc", Traversal),
            ("/dump.sql", Secrets),
            ("/index.php", Script),
            ("/api/config.env", Secrets),
        ] {
            assert_eq!(AttackKind::of(path), Some(kind), "{path}");
        }
        for path in [
            "/v1/patients/7",
            "/.well-known/jwks.json",
            "/docs",
            "/health",
            "/v1/organizations/slug/wp-clinic",
            "/v1/calendar.ics",
        ] {
            assert_eq!(AttackKind::of(path), None, "{path}");
        }
    }
}
