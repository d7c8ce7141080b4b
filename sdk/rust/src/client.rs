//! Builder of the clients.

use std::time::Duration;

use crate::auth::{Credential, TokenError, TokenSource};
use crate::retry::Retries;
use crate::support::{Inner, Settings};

/// Builder of clients. Everything but the base URL has a default.
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

/// Reason why no client could be made.
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
    /// Makes a builder for the service at `base_url` (scheme, host, port; no `/v1`).
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

    /// Sets the longest time for one attempt, its body included. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the longest time for connecting. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the number of attempts and the waits between them.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Sets the name of this client in the service's logs. Default: the SDK's name and version.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Makes a client for Core.
    ///
    /// # Errors
    /// If the base URL or the credential can't be used.
    #[cfg(feature = "core")]
    pub fn core(self) -> Result<crate::core::Client, BuildError> {
        let (base_url, http, inner) = self.parts(true)?;
        Ok(crate::core::Client::new_with_client(&base_url, http, inner))
    }

    /// Makes a client for Telemetry.
    ///
    /// # Errors
    /// If the base URL or the credential can't be used.
    #[cfg(feature = "telemetry")]
    pub fn telemetry(self) -> Result<crate::telemetry::Client, BuildError> {
        let (base_url, http, inner) = self.parts(false)?;
        Ok(crate::telemetry::Client::new_with_client(&base_url, http, inner))
    }

    #[cfg(any(feature = "core", feature = "telemetry"))]
    fn parts(self, remembers_keys: bool) -> Result<(String, reqwest::Client, Inner), BuildError> {
        let url = reqwest::Url::parse(&self.base_url).ok();
        if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(BuildError::BaseUrl(self.base_url));
        }
        // reqwest is built without a TLS provider of its own, so that one copy of ring serves the
        // whole program. If the application has installed one already, that one stays.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .user_agent(self.user_agent)
            .timeout(self.timeout)
            .connect_timeout(self.connect_timeout)
            // A redirect would carry credentials to wherever it points; our services send none.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let inner = Inner::new(Settings {
            credential: self.credential?,
            organization: self.organization,
            retries: self.retries,
            remembers_keys,
        });
        Ok((self.base_url.trim_end_matches('/').to_owned(), http, inner))
    }
}
