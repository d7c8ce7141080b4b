//! Clerk, the identity provider: its users, by its Backend API. What it tells of them comes in at
//! `domain/clerk_event`.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Days for which the link in an invitation e-mail is valid: as long as an invitation here, before it is renewed.
const INVITED_DAYS: i32 = 14;

/// Ends users at the identity provider, and has it write to people who are to become some.
#[derive(Clone)]
pub(crate) struct Users {
    client: Client,
    base: Url,
    secret_key: SecretString,
}

/// Why Clerk did not do what it was asked for. Never says of whom.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("Clerk can't be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("Clerk answers {0}")]
    Refused(StatusCode),
    #[error("the id of a user makes no path")]
    Path,
}

impl UsersError {
    /// Returns true if Clerk would refuse the same request again. False for a wrong key, a timeout and a rate limit:
    /// those can be mended, or pass.
    pub(crate) fn is_final(&self) -> bool {
        let passes = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        matches!(self, Self::Refused(status) if status.is_client_error() && !passes.contains(status))
    }
}

impl Users {
    /// The users of the instance whose secret key this is, at `base` (`https://api.clerk.com`).
    pub(crate) fn new(base: Url, secret_key: SecretString) -> Result<Self, reqwest::Error> {
        // Another one may be installed already; any will do.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
        Ok(Self { client, base, secret_key })
    }

    /// Deletes a user; one who isn't there is deleted already.
    pub(crate) async fn delete(&self, clerk_id: &str) -> Result<(), UsersError> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| UsersError::Path)?.pop_if_empty().extend(["v1", "users", clerk_id]);
        match self.send(self.client.delete(url)).await? {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(UsersError::Refused(status)),
        }
    }

    /// Asks Clerk to e-mail an invitation to sign up to an address, even if it has done so before.
    pub(crate) async fn invite(&self, address: &str) -> Result<(), UsersError> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| UsersError::Path)?.pop_if_empty().extend(["v1", "invitations"]);
        let body = json!({ "email_address": address, "ignore_existing": true, "expires_in_days": INVITED_DAYS });
        match self.send(self.client.post(url).json(&body)).await? {
            status if status.is_success() => Ok(()),
            status => Err(UsersError::Refused(status)),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<StatusCode, UsersError> {
        let request = request.bearer_auth(self.secret_key.expose_secret());
        // The address holds the user's id, and errors are logged.
        let answer = request.send().await.map_err(|error| UsersError::Unreachable(error.without_url()))?;
        Ok(answer.status())
    }
}
