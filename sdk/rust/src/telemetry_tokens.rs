//! Telemetry's tokens, fetched from Core.

use crate::auth::{AccessToken, TokenError, TokenSource};
use crate::{BuildError, ClientBuilder, Failure, core, telemetry};

/// Fetches Telemetry's short-lived tokens from Core and renews them.
///
/// ```no_run
/// # async fn telemetry(core: restartix_sdk::core::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use restartix_sdk::{ClientBuilder, TelemetryTokens};
///
/// let tokens = TelemetryTokens::new(core);
/// let telemetry = tokens.client(ClientBuilder::new("http://localhost:4000"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TelemetryTokens(TokenSource);

impl TelemetryTokens {
    /// Makes tokens for the person and the organization of `core`.
    pub fn new(core: core::Client) -> Self {
        Self(TokenSource::new(move || {
            let core = core.clone();
            async move {
                match core.me_telemetry_token_create().send().await {
                    Ok(answer) => {
                        let token = answer.into_inner();
                        Ok(AccessToken::expiring(token.token, token.expires_at))
                    }
                    Err(error) => Err(TokenError::new(Failure::read(error).await)),
                }
            }
        }))
    }

    /// Makes a client for Telemetry that authenticates with these tokens.
    ///
    /// # Errors
    /// If the builder's base URL can't be used.
    pub fn client(&self, builder: ClientBuilder) -> Result<telemetry::Client, BuildError> {
        builder.token_source(self.0.clone()).telemetry()
    }

    /// Returns the source, for callers that use Telemetry without this SDK.
    pub fn source(&self) -> TokenSource {
        self.0.clone()
    }
}
