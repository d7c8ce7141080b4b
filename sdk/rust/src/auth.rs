//! Credentials of the caller: fixed ones, and tokens that renew themselves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A token is renewed this long before it expires, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(30);

/// Credential of a request. `Debug` never shows a secret.
#[derive(Clone, Default)]
pub(crate) enum Credential {
    #[default]
    None,
    Bearer(HeaderValue),
    ApiKey(HeaderValue),
    Source(TokenSource),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bearer(_) => "bearer",
            Self::ApiKey(_) => "api key",
            Self::Source(_) => "token source",
        })
    }
}

impl Credential {
    pub(crate) fn bearer(token: &str) -> Result<Self, TokenError> {
        bearer_value(token).map(Self::Bearer)
    }

    pub(crate) fn api_key(key: &str) -> Result<Self, TokenError> {
        secret_value(key).map(Self::ApiKey)
    }

    /// Puts the credential on a request that has none of its own yet.
    pub(crate) async fn apply(&self, headers: &mut HeaderMap) -> Result<(), TokenError> {
        if headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY) {
            return Ok(());
        }
        match self {
            Self::None => {}
            Self::Bearer(value) => drop(headers.insert(AUTHORIZATION, value.clone())),
            Self::ApiKey(value) => drop(headers.insert(API_KEY, value.clone())),
            Self::Source(source) => {
                let token = source.token().await?;
                headers.insert(AUTHORIZATION, bearer_value(&token)?);
            }
        }
        Ok(())
    }

    /// Returns a fresh `Authorization` value after a 401, if this credential can make one that differs from the refused
    /// one.
    pub(crate) async fn renewed(&self, refused: &HeaderMap) -> Option<HeaderValue> {
        let Self::Source(source) = self else { return None };
        let old = refused.get(AUTHORIZATION)?;
        source.forget(|token| bearer_value(token).is_ok_and(|value| value == old)).await;
        let fresh = source.token().await.ok().and_then(|token| bearer_value(&token).ok())?;
        (fresh != old).then_some(fresh)
    }
}

fn bearer_value(token: &str) -> Result<HeaderValue, TokenError> {
    secret_value(&format!("Bearer {token}"))
}

fn secret_value(text: &str) -> Result<HeaderValue, TokenError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| TokenError::new("the token holds characters that no HTTP header may hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A token and, where it is known, the time it expires.
#[derive(Clone)]
pub struct AccessToken {
    secret: String,
    expires_at: Option<DateTime<Utc>>,
}

impl AccessToken {
    /// Makes a token that is used until the service refuses it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), expires_at: None }
    }

    /// Makes a token that is renewed shortly before `at`.
    pub fn expiring(secret: impl Into<String>, at: DateTime<Utc>) -> Self {
        Self { secret: secret.into(), expires_at: Some(at) }
    }

    fn lives_for(&self, margin: Duration) -> bool {
        self.expires_at.is_none_or(|at| at > Utc::now() + margin)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Failure to get a token, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no access token: {0}")]
pub struct TokenError(String);

impl TokenError {
    /// Makes an error with a reason for people.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

type Fetching = Pin<Box<dyn Future<Output = Result<AccessToken, TokenError>> + Send>>;

/// Fetches a token when one is needed, keeps it, and renews it before it expires or when a service
/// refuses it. Clones share the kept token; concurrent calls wait for one fetch.
#[derive(Clone)]
pub struct TokenSource(Arc<Shared>);

struct Shared {
    fetch: Box<dyn Fn() -> Fetching + Send + Sync>,
    kept: Mutex<Option<AccessToken>>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}

impl TokenSource {
    /// Makes a source that calls `fetch` for each new token.
    pub fn new<F, T>(fetch: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
    {
        Self(Arc::new(Shared { fetch: Box::new(move || Box::pin(fetch())), kept: Mutex::new(None) }))
    }

    /// Returns the present token, and fetches or renews it first if necessary.
    ///
    /// # Errors
    /// If fetching fails and no earlier token is still valid.
    pub async fn token(&self) -> Result<String, TokenError> {
        let mut kept = self.0.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.lives_for(MARGIN)) {
            return Ok(token.secret.clone());
        }
        match (self.0.fetch)().await {
            Ok(fresh) => Ok(kept.insert(fresh).secret.clone()),
            // The old one is valid for a few more seconds, which bridges a short failure.
            Err(fault) => match kept.as_ref().filter(|token| token.lives_for(Duration::ZERO)) {
                Some(token) => Ok(token.secret.clone()),
                None => Err(fault),
            },
        }
    }

    /// Forgets the kept token if `is_refused` recognizes it; another call may have renewed it
    /// already.
    async fn forget(&self, is_refused: impl Fn(&str) -> bool) {
        let mut kept = self.0.kept.lock().await;
        if kept.as_ref().is_some_and(|token| is_refused(&token.secret)) {
            *kept = None;
        }
    }
}
