//! Clerk's users, by its Backend API.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Ends users at the identity provider.
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
        let request = self.client.delete(url).bearer_auth(self.secret_key.expose_secret());
        // The address holds the user's id, and errors are logged.
        let answer = request.send().await.map_err(|error| UsersError::Unreachable(error.without_url()))?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => Err(UsersError::Refused(status)),
        }
    }
}
