//! Requests to addresses that users supply, such as the endpoints of webhooks.
//!
//! A user who supplies an address chooses where this server connects to, from inside of its network. So the client
//! reaches hosts on the public Internet alone, over HTTPS, and gives an answer a bounded time and room. Requests
//! to addresses that the operator configures need none of this and use a `reqwest::Client` of their own.

mod error;
mod guard;
mod networks;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use reqwest::{Client, dns::Resolve, redirect::Policy};
use url::Url;

pub use error::OutboundError;
use guard::{Guard, System};

use crate::client::with_roots;

/// Limits of the addresses that the client reaches and of the answers that it reads.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Reaches `http:` too, on port 80 as well. For development and tests.
    pub plain_http: bool,
    /// Networks that are reached although they are not public: of development and tests, or a partner's inside
    /// of the operator's own network. They hold for IPv4 and IPv6 as they are written.
    pub networks: Vec<IpNet>,
    /// Limit for resolving the name, connecting, and agreeing on TLS.
    pub connect_timeout: Duration,
    /// Limit for everything, from the name to the last byte that is read.
    pub total_timeout: Duration,
    /// Bytes of an answer's body that are read; the rest is left unread.
    pub body_limit: usize,
}

impl Default for Rules {
    /// The rules of production: public addresses over HTTPS, 5 seconds to connect, 15 seconds in total, 1 KiB.
    fn default() -> Self {
        Self {
            plain_http: false,
            networks: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(15),
            body_limit: 1024,
        }
    }
}

/// Sends requests to addresses that users supply.
///
/// An address is `https`, without user name and password, with port 443 or one above 1023 that no other protocol
/// claims. Each request resolves the host's name once, refuses it if a single one of its addresses is not public,
/// and connects to those addresses. It follows no redirect, asks no proxy, and keeps no connection: each check
/// holds for one request.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    guard: Guard,
    rules: Arc<Rules>,
}

/// An answer with any status, a redirect included.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, `Retry-After` for instance.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// True if there was more of the body than [`Rules::body_limit`].
    pub cut: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, cut, body, headers: _ } = self;
        f.debug_struct("Answer")
            .field("status", status)
            .field("bytes", &body.len())
            .field("cut", cut)
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Builds a client that asks the operating system for the addresses of names. One serves the whole process.
    ///
    /// # Errors
    /// If the operating system's root certificates can't be read.
    pub fn new(rules: Rules) -> Result<Self, reqwest::Error> {
        Self::with_names(rules, Arc::new(System))
    }

    fn with_names(rules: Rules, names: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        // The first part of the process that needs it installs it; the others need the same one.
        rustls::crypto::ring::default_provider().install_default().ok();
        let rules = Arc::new(rules);
        let guard = Guard::new(Arc::clone(&rules), names);
        let client = with_roots(Client::builder())
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(Policy::none())
            // A proxy would resolve the name itself.
            .no_proxy()
            .https_only(!rules.plain_http)
            // A kept connection would outlive the check of its address.
            .pool_max_idle_per_host(0)
            .http1_only()
            .connect_timeout(rules.connect_timeout)
            .build()?;
        Ok(Self { client, guard, rules })
    }

    /// Checks an address without sending anything to its host, and returns it in its normal form. For the registration
    /// of an address; each request checks it again.
    ///
    /// # Errors
    /// A refusal, or that the name has no address.
    pub async fn check(&self, address: &str) -> Result<Url, OutboundError> {
        let url = self.guard.parse(address)?;
        tokio::time::timeout(self.rules.connect_timeout, self.guard.resolve_host(&url))
            .await
            .map_err(|_| OutboundError::Unresolved)??;
        Ok(url)
    }

    /// Posts `body` to an address.
    ///
    /// # Errors
    /// If the address is refused, or no whole answer came in time. A status is no error.
    pub async fn post(&self, address: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, OutboundError> {
        let url = self.guard.parse(address)?;
        // Around everything, so that a slow lookup of the name counts as well.
        tokio::time::timeout(self.rules.total_timeout, self.exchange(url, headers, body))
            .await
            .map_err(|_| OutboundError::Timeout)?
    }

    async fn exchange(&self, url: Url, headers: HeaderMap, body: Bytes) -> Result<Answer, OutboundError> {
        let mut response = self.client.post(url).headers(headers).body(body).send().await?;
        let mut read = BytesMut::new();
        let mut cut = false;
        while let Some(chunk) = response.chunk().await? {
            let room = self.rules.body_limit - read.len();
            read.extend_from_slice(&chunk[..chunk.len().min(room)]);
            cut = chunk.len() > room;
            if cut {
                break;
            }
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body: read.freeze(), cut })
    }
}
