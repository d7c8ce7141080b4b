//! A server from its API tuple: the order in which a request passes everything, stated once.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use ipnet::IpNet;
use poem::{Endpoint, EndpointExt, Response, Route, endpoint::BoxEndpoint};
use poem_openapi::{OpenApi, OpenApiService};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::{
    access_log::AccessLog,
    attack::{AttackBlocker, OnBlocked},
    client_ip::ClientIps,
    connection::Connections,
    cors::Cors,
    docs,
    document::{Document, DocumentFault, Info},
    metrics::Metrics,
    operation::{Gate, Limits, Operations},
    rate_limit::AddressLimit,
    request_id::RequestIds,
    security_headers::SecurityHeaders,
    unrouted::Unrouted,
};
use crate::{
    config::{ConnectionConfig, EdgeConfig},
    rate_limit::Limiter,
};

/// Parts around the handlers of a service.
pub struct Frame {
    /// Head of the specification.
    pub info: Info,
    /// Admits callers of secured operations.
    pub gate: Arc<dyn Gate>,
    /// Body limits and timeout.
    pub limits: Limits,
    /// Networks of the proxies in front.
    pub trusted_proxies: Vec<IpNet>,
    /// The process's measurements.
    pub metrics: Metrics,
    /// Bearer token for `/metrics`.
    pub metrics_token: Option<SecretString>,
    /// Browsers and limits.
    pub edge: EdgeConfig,
    /// Counts requests by address.
    pub limiter: Limiter,
    /// Callback for each blocked request of a scanner.
    pub on_blocked: Option<OnBlocked>,
}

/// Builds the whole service as one endpoint.
///
/// A request passes, from the outside in: request id → security headers → client address → access
/// log and metrics → limit by address → CORS → attack blocker → the envelope for what no operation
/// answers → routing → per operation: timeout, panic recovery, body limit, gate (authentication and
/// what else the service wants), unknown and repeated parameters, content encoding, handler.
pub fn endpoint<T: OpenApi + 'static>(api: T, frame: Frame) -> Result<BoxEndpoint<'static, Response>, DocumentFault> {
    let document = Document::of::<T>(&frame.info)?;
    let schemas = Arc::new(document.schemas());
    let unrouted = Unrouted::new(&document);
    let (text, known) = document.into_parts();
    let specification = Bytes::from(text);
    let edge = frame.edge;
    let cors = Cors::new(edge.cors_allowed_origins.into_iter().map(|origin| origin.0));
    let per_address =
        AddressLimit::new(frame.limiter, edge.rate_limit_per_address, edge.rate_limit_scale, cors.clone());
    let operations = Operations::new(api, known, frame.gate, frame.info.headers, frame.limits);
    let routes = Route::new()
        .at("/docs", poem::get(docs::page(specification.clone())))
        .at("/openapi.json", poem::get(docs::specification(specification)))
        .at("/metrics", poem::get(frame.metrics.endpoint(frame.metrics_token)))
        .nest("/", OpenApiService::new(operations, frame.info.title, frame.info.version));
    Ok(routes
        .data(schemas)
        .with(unrouted)
        .with(AttackBlocker::new(frame.on_blocked))
        .with(cors)
        .with(per_address)
        .with(AccessLog)
        .with(ClientIps::new(frame.trusted_proxies))
        .with(SecurityHeaders::new(edge.hsts))
        .with(RequestIds)
        .boxed())
}

/// Number of connections that the operating system keeps until they are accepted. `TcpListener::bind` asks for 128;
/// once they are full, Linux loses the last packet of a handshake, and a client that waits for the server waits for
/// ever. Linux lowers the number to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server binds the port although connections of the last one linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A bound port, which accepts nothing before [`Bound::serve`].
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds `host:port`; port 0 takes a free one.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::AddrNotAvailable, format!("{host} has no address"));
        for address in lookup_host((host, port)).await? {
            match listen(address) {
                Ok(listener) => return Ok(Self { address: listener.local_addr()?, listener }),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes the address to the log and, if a path is given, to that file. The file is renamed into place, so a
    /// process that waits for it never reads a part of the address.
    pub fn announce(&self, port_file: Option<&str>) -> io::Result<()> {
        tracing::info!(address = %self.address, "listening");
        if let Some(path) = port_file {
            let unfinished = format!("{path}.new");
            std::fs::write(&unfinished, self.address.to_string())?;
            std::fs::rename(unfinished, path)?;
        }
        Ok(())
    }

    /// Serves until `stop` resolves, then refuses new connections and lets requests in flight finish
    /// for up to `drain`. Peers in `trusted_proxies` may have any number of connections within the total.
    pub async fn serve<E>(
        self,
        endpoint: E,
        connections: &ConnectionConfig,
        trusted_proxies: Vec<IpNet>,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) -> io::Result<()>
    where
        E: Endpoint + 'static,
    {
        Connections::new(connections, trusted_proxies).serve(self.listener, endpoint, stop, drain).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::try_join_all;
    use tokio::{net::TcpStream, time::timeout};

    use super::{Bound, Duration};

    /// A burst that comes before the service has time for it. A connection that finds the queue full is tried again
    /// by the operating system after a second, and then less and less often.
    #[tokio::test]
    async fn a_burst_of_connections_waits_to_be_accepted() {
        let bound = Bound::bind("127.0.0.1", 0).await.unwrap();
        let burst = try_join_all((0..1_000).map(|_| TcpStream::connect(bound.address())));
        let connected = timeout(Duration::from_secs(20), burst).await.expect("no connection is kept waiting");
        assert_eq!(connected.unwrap().len(), 1_000);
    }
}
