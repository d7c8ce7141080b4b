//! Client of Clerk's Backend API, which manages the users of the identity provider. Clerk's events are received in
//! `domain/clerk_event`.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use server_shared::client::service_client;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Days for which the link in an invitation e-mail is valid: as long as an invitation of this service before it is
/// renewed.
const INVITED_DAYS: i32 = 14;

/// Deletes users at the identity provider, and has it e-mail invitations to sign up.
#[derive(Clone)]
pub(crate) struct Users {
    client: Client,
    base: Url,
    secret_key: SecretString,
}

/// Failure of a call to Clerk. It never names the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("Clerk can't be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("Clerk answers {0}")]
    Refused(StatusCode),
    #[error("the URL of a user can't be built")]
    Path,
}

impl UsersError {
    /// Returns true if Clerk would refuse the same request again. Returns false for a wrong key, a timeout and a rate
    /// limit, which can be fixed or pass.
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
    /// Builds the client of the Clerk instance with this secret key, at `base` (`https://api.clerk.com`).
    pub(crate) fn new(base: Url, secret_key: SecretString) -> Result<Self, reqwest::Error> {
        Ok(Self { client: service_client(&base, TIMEOUT)?, base, secret_key })
    }

    /// Deletes a user. Succeeds if there is no such user.
    pub(crate) async fn delete(&self, clerk_id: &str) -> Result<(), UsersError> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| UsersError::Path)?.pop_if_empty().extend(["v1", "users", clerk_id]);
        match self.send(self.client.delete(url)).await? {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(UsersError::Refused(status)),
        }
    }

    /// Asks Clerk to e-mail an invitation to sign up to an address, even if the address was invited before.
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
        // The URL contains the user's id, and errors are logged.
        let answer = request.send().await.map_err(|error| UsersError::Unreachable(error.without_url()))?;
        Ok(answer.status())
    }
}
