//! People, signed in.

use std::ops::Deref;

use reqwest::{Method, RequestBuilder};
use restartix_sdk::{ClientBuilder, Retries, core};

use crate::{Issuer, Person, answer};

/// A person with a session, who calls Core through the SDK: `actor.me_get().send().await`.
#[derive(Debug, Clone)]
pub struct Actor {
    client: core::Client,
    http: reqwest::Client,
    base: String,
    token: String,
    organization: Option<i64>,
    person: Person,
}

impl Actor {
    /// `person`, speaking to the Core at `base`; requests go to the person's current organization.
    pub fn new(base: &str, person: &Person) -> Self {
        Self::with_token(base, person, Issuer::session(&person.clerk_id), None)
    }

    fn with_token(base: &str, person: &Person, token: String, organization: Option<i64>) -> Self {
        // No retries: a test checks each answer.
        let mut builder = ClientBuilder::new(base).token(&token).retries(Retries::none());
        if let Some(id) = organization {
            builder = builder.organization(id);
        }
        let client = builder.core().expect("a client can be made");
        Self { client, http: answer::http(), base: base.to_owned(), token, organization, person: person.clone() }
    }

    /// The same person, naming an organization in each request (`X-Organization-Id`).
    #[must_use]
    pub fn in_organization(&self, id: i64) -> Self {
        Self::with_token(&self.base, &self.person, self.token.clone(), Some(id))
    }

    /// The same session at another Core process.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self::with_token(base, &self.person, self.token.clone(), self.organization)
    }

    /// Whoever holds `token`, e.g. of an impersonation.
    #[must_use]
    pub fn holding(&self, token: &str) -> Self {
        Self::with_token(&self.base, &self.person, token.to_owned(), self.organization)
    }

    /// Returns the person.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The session token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request of this person's that the SDK can't make. `path` begins with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        match self.organization {
            Some(id) => request.header("x-organization-id", id),
            None => request,
        }
    }
}

impl Deref for Actor {
    type Target = core::Client;

    fn deref(&self) -> &core::Client {
        &self.client
    }
}
