//! Builder for the clients.

use std::time::Duration;

use crate::auth::{Credential, TokenError, TokenSource};
use crate::retry::Retries;
use crate::support::{Inner, Settings};

/// Collects the settings of a client and builds it. All settings except the base URL have defaults.
///
/// ```no_run
/// # fn client(token: String) -> Result<(), restartix_sdk::BuildError> {
/// let core = restartix_sdk::ClientBuilder::new("http://localhost:9000")
///     .token(token)
///     .organization(42)
///     .core()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    base_url: String,
    credential: Result<Credential, TokenError>,
    organization: Option<i64>,
    timeout: Duration,
    connect_timeout: Duration,
    retries: Retries,
    user_agent: String,
}

/// Reason why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL is no absolute `http` or `https` URL.
    #[error("the base URL {0:?} is not an absolute http(s) URL")]
    BaseUrl(String),
    /// The credential can't be sent in a header.
    #[error(transparent)]
    Credential(#[from] TokenError),
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up")]
    Http(#[from] reqwest::Error),
}

impl ClientBuilder {
    /// A builder for the service at `base_url` (scheme, host, port; no `/v1`).
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            credential: Ok(Credential::None),
            organization: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            retries: Retries::default(),
            user_agent: concat!("restartix-sdk-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Sends this token with every request: a session token to Core, a token issued by Core or the
    /// internal service token to Telemetry.
    #[must_use]
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.credential = Credential::bearer(token.as_ref());
        self
    }

    /// Takes a token from `source` for each request, renewed as necessary.
    #[must_use]
    pub fn token_source(mut self, source: TokenSource) -> Self {
        self.credential = Ok(Credential::Source(source));
        self
    }

    /// Sends this organization API key (`X-Api-Key`) with every request.
    #[must_use]
    pub fn api_key(mut self, key: impl AsRef<str>) -> Self {
        self.credential = Credential::api_key(key.as_ref());
        self
    }

    /// Names the organization that calls are about (`X-Organization-Id`), unless a call names one.
    #[must_use]
    pub fn organization(mut self, id: i64) -> Self {
        self.organization = Some(id);
        self
    }

    /// Sets the time limit of one attempt, including its body. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit for connecting. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the number of retries and the pauses between them.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the `User-Agent` header. Default: the SDK's name and version.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// A client for Core.
    ///
    /// # Errors
    /// Fails if the base URL or the credential can't be used.
    #[cfg(feature = "core")]
    pub fn core(self) -> Result<crate::core::Client, BuildError> {
        let (base_url, http, inner) = self.parts(true)?;
        Ok(crate::core::Client::new_with_client(&base_url, http, inner))
    }

    /// A client for Telemetry.
    ///
    /// # Errors
    /// Fails if the base URL or the credential can't be used.
    #[cfg(feature = "telemetry")]
    pub fn telemetry(self) -> Result<crate::telemetry::Client, BuildError> {
        let (base_url, http, inner) = self.parts(false)?;
        Ok(crate::telemetry::Client::new_with_client(&base_url, http, inner))
    }

    #[cfg(any(feature = "core", feature = "telemetry"))]
    fn parts(self, remembers_keys: bool) -> Result<(String, reqwest::Client, Inner), BuildError> {
        let url = reqwest::Url::parse(&self.base_url).ok();
        let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
            return Err(BuildError::BaseUrl(self.base_url));
        };
        // reqwest is built without a TLS provider of its own, so that one copy of ring serves the
        // whole program. If the application has installed one already, that one stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            // A redirect would send credentials to its target; our services send no redirects.
            .redirect(reqwest::redirect::Policy::none());
        // Plain HTTP needs no root certificates, which take milliseconds to read.
        let http = if url.scheme() == "http" { http.tls_certs_only([]) } else { http };
        let http = http.build()?;
        let inner = Inner::new(Settings {
            credential: self.credential?,
            organization: self.organization,
            retries: self.retries,
            remembers_keys,
        });
        Ok((self.base_url.trim_end_matches('/').to_owned(), http, inner))
    }
}
