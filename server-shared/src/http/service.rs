//! A server from its API tuple: the order in which a request passes everything, stated once.

use std::{future::Future, io, sync::Arc, time::Duration};

use ipnet::IpNet;
use poem::{
    Endpoint, EndpointExt, Response, Route, Server,
    endpoint::BoxEndpoint,
    listener::{Acceptor, Listener, TcpAcceptor, TcpListener},
};
use poem_openapi::{OpenApi, OpenApiService};
use secrecy::SecretString;

use super::{
    access_log::AccessLog,
    attack::{AttackBlocker, OnBlocked},
    client_ip::ClientIps,
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
    config::EdgeConfig,
    rate_limit::{Limiter, Policy},
};

/// What stands around the handlers of a service.
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
    /// Told of each scanner that was turned away, if anybody is.
    pub on_blocked: Option<OnBlocked>,
}

/// The whole service as one endpoint.
///
/// A request passes, from the outside in: request id → security headers → client address → access
/// log and metrics → CORS → attack blocker → limit by address → the envelope for what no operation
/// answers → routing → per operation: timeout, panic recovery, body limit, gate (authentication and
/// what else the service wants), unknown parameters, handler.
pub fn endpoint<T: OpenApi + 'static>(api: T, frame: Frame) -> Result<BoxEndpoint<'static, Response>, DocumentFault> {
    let document = Document::of::<T>(&frame.info)?;
    let schemas = Arc::new(document.schemas());
    let edge = frame.edge;
    let per_address = Policy::new("address", edge.rate_limit_per_address, Duration::from_mins(1));
    let operations = Operations::new(api, frame.gate, frame.limits);
    let routes = Route::new()
        .at("/docs", poem::get(docs::page(&document)))
        .at("/openapi.json", poem::get(docs::specification(&document)))
        .at("/metrics", poem::get(frame.metrics.endpoint(frame.metrics_token)))
        .nest("/", OpenApiService::new(operations, frame.info.title, frame.info.version));
    Ok(routes
        .data(schemas)
        .with(Unrouted::new(&document))
        .with(AddressLimit::new(frame.limiter, per_address.scaled(edge.rate_limit_scale)))
        .with(AttackBlocker::new(frame.on_blocked))
        .with(Cors::new(edge.cors_allowed_origins.into_iter().map(|origin| origin.0)))
        .with(AccessLog)
        .with(ClientIps::new(frame.trusted_proxies))
        .with(SecurityHeaders::new(edge.hsts))
        .with(RequestIds)
        .boxed())
}

/// A bound port; nothing is accepted before [`Bound::serve`].
pub struct Bound {
    acceptor: TcpAcceptor,
    address: std::net::SocketAddr,
}

impl Bound {
    /// Binds `host:port`; port 0 takes a free one.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let acceptor = TcpListener::bind((host.to_owned(), port)).into_acceptor().await?;
        let address = acceptor
            .local_addr()
            .first()
            .and_then(|local| local.as_socket_addr().copied())
            .ok_or_else(|| io::Error::other("the listener has no address"))?;
        Ok(Self { acceptor, address })
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Says where it listens: in the log and, where a path is given, in that file. The file appears
    /// whole, so whoever waits for it never reads half an address.
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
    /// for up to `drain`.
    pub async fn serve<E>(self, endpoint: E, stop: impl Future<Output = ()>, drain: Duration) -> io::Result<()>
    where
        E: Endpoint + 'static,
    {
        Server::new_with_acceptor(self.acceptor).run_with_graceful_shutdown(endpoint, stop, Some(drain)).await
    }
}
