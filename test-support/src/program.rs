//! Programs with an API key.

use std::ops::Deref;

use reqwest::{Method, RequestBuilder};
use restartix_sdk::{ClientBuilder, Retries, core};

use crate::answer;

/// A clinic's program, which calls Core with its key through the SDK.
#[derive(Debug, Clone)]
pub struct Program {
    client: core::Client,
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Program {
    /// A program that sends `key` to the Core at `base`.
    pub fn new(base: &str, key: &str) -> Self {
        let builder = ClientBuilder::new(base).api_key(key).retries(Retries::none());
        let client = builder.core().expect("a client can be made");
        Self { client, http: answer::http(), base: base.to_owned(), key: key.to_owned() }
    }

    /// The same program at another Core process.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self::new(base, &self.key)
    }

    /// A request of the program's that the SDK can't make. `path` begins with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("x-api-key", &self.key)
    }
}

impl Deref for Program {
    type Target = core::Client;

    fn deref(&self) -> &core::Client {
        &self.client
    }
}
