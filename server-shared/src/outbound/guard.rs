//! Checks addresses before anything is sent to them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::{Rules, error::OutboundError, networks::is_public};

/// The ports above 1023 on which browsers refuse HTTP, because another protocol is spoken there ("bad port" of
/// the Fetch standard).
const OTHER_PROTOCOLS: [u16; 19] =
    [1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080];

/// Resolves the names of hosts, and refuses those that must not be reached.
///
/// The HTTP client connects to what its resolver returns and asks once for each connection. So no second
/// resolution can differ, and the address that was checked is the one that is connected to.
#[derive(Clone)]
pub(super) struct Guard {
    rules: Arc<Rules>,
    names: Arc<dyn Resolve>,
}

impl Guard {
    pub(super) fn new(rules: Arc<Rules>, names: Arc<dyn Resolve>) -> Self {
        Self { rules, names }
    }

    /// Parses an address that a user supplied and checks all of it but the addresses of a name. The HTTP client uses
    /// the same parser of URLs, so it connects to the host that was checked, even if that is written in decimal, octal
    /// or hexadecimal digits.
    pub(super) fn parse(&self, address: &str) -> Result<Url, OutboundError> {
        if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
            // The parser would leave them out.
            return Err(OutboundError::Invalid);
        }
        let url = Url::parse(address).map_err(|_| OutboundError::Invalid)?;
        match url.scheme() {
            "https" => {}
            "http" if self.rules.plain_http => {}
            _ => return Err(OutboundError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Credentials);
        }
        if !self.reaches_port(&url) {
            return Err(OutboundError::Port);
        }
        // The client resolves no address that is written out, so that the resolver never sees it.
        match url.host().ok_or(OutboundError::Invalid)? {
            Host::Ipv4(ip) => self.judge(ip.into())?,
            Host::Ipv6(ip) => self.judge(ip.into())?,
            Host::Domain(_) => {}
        }
        Ok(url)
    }

    /// Resolves the name of a host that was parsed. One bad address among all refuses the host.
    pub(super) async fn resolve_host(&self, url: &Url) -> Result<(), OutboundError> {
        if let Some(Host::Domain(name)) = url.host() {
            self.lookup(name.parse().map_err(|_| OutboundError::Invalid)?).await?;
        }
        Ok(())
    }

    async fn lookup(&self, name: Name) -> Result<Vec<SocketAddr>, OutboundError> {
        let found = self.names.resolve(name).await.map_err(|_| OutboundError::Unresolved)?;
        // Port 0 means the URL's own, instead of the resolver's.
        let found: Vec<_> = found.map(|found| SocketAddr::new(found.ip(), 0)).collect();
        if found.is_empty() {
            return Err(OutboundError::Unresolved);
        }
        found.iter().try_for_each(|found| self.judge(found.ip()))?;
        Ok(found)
    }

    fn judge(&self, ip: IpAddr) -> Result<(), OutboundError> {
        let reached = is_public(ip) || self.rules.networks.iter().any(|network| network.contains(&ip));
        if reached { Ok(()) } else { Err(OutboundError::NotPublic) }
    }

    fn reaches_port(&self, url: &Url) -> bool {
        match url.port_or_known_default() {
            Some(443) => true,
            Some(80) => self.rules.plain_http,
            Some(port) => port > 1023 && !OTHER_PROTOCOLS.contains(&port),
            None => false,
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Addrs = Box::new(guard.lookup(name).await?.into_iter());
            Ok(found)
        })
    }
}

/// Asks the operating system.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
