//! The caller's address. Only those entries of `X-Forwarded-For` are used that trusted proxies wrote.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

/// The address of the caller, found in a request's extensions; `None` where the transport has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp(pub Option<IpAddr>);

impl ClientIp {
    /// Returns the caller's address of `request`.
    pub fn of(request: &Request) -> Option<IpAddr> {
        request.extensions().get::<Self>().and_then(|ip| ip.0)
    }
}

/// Middleware that finds the caller's address.
pub struct ClientIps {
    trusted: Vec<IpNet>,
}

impl ClientIps {
    /// `trusted` are the networks of the proxies in front of this service.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }
}

impl<E: Endpoint> Middleware<E> for ClientIps {
    type Output = ClientIpEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ClientIpEndpoint { inner, trusted: self.trusted.clone() }
    }
}

/// See [`ClientIps`].
pub struct ClientIpEndpoint<E> {
    inner: E,
    trusted: Vec<IpNet>,
}

impl<E: Endpoint> Endpoint for ClientIpEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let peer = request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip);
        let forwarded: Vec<&str> =
            request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        let ip = peer.map(|peer| client(peer, &forwarded.join(","), &self.trusted));
        request.extensions_mut().insert(ClientIp(ip));
        Ok(self.inner.call(request).await?.into_response())
    }
}

/// Follows the chain from the nearest hop outwards as long as the hop is trusted.
fn client(peer: IpAddr, forwarded: &str, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut nearest = peer.to_canonical();
    for hop in forwarded.split(',').rev().map(str::trim).filter(|hop| !hop.is_empty()) {
        if !is_trusted(&nearest) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(ip) => nearest = ip.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            client(ip("192.0.2.1"), "203.0.113.9", &trusted),
            ip("192.0.2.1"),
            "an untrusted peer can't name another"
        );
        assert_eq!(client(ip("10.0.0.1"), "1.2.3.4, 203.0.113.9, 10.0.0.2", &trusted), ip("203.0.113.9"));
        assert_eq!(client(ip("10.0.0.1"), "not an address", &trusted), ip("10.0.0.1"));
    }
}
