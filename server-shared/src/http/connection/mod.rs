//! Accepts connections, and limits their number and the time for which each may be idle.
//!
//! A connection costs its peer nothing and the service a descriptor and memory, so it always has a deadline: from
//! its first byte until the headers of a request are complete, while there is no request, and while an answer waits
//! to be read. Only a request that is being handled has none here, because `REQUEST_TIMEOUT` limits it. The deadline
//! holds for HTTP/1, HTTP/2 and connections whose protocol is not known yet; hyper's own timeouts cover only some of
//! these states.

mod activity;
mod descriptors;
mod places;

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use ipnet::IpNet;
use metrics::{counter, gauge};
use poem::{
    Addr, Endpoint, IntoResponse as _,
    http::{Version, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{io::InspectReader, sync::CancellationToken, task::TaskTracker};

use self::{
    activity::{Activity, Overdue, Patience},
    places::{Place, Places},
};
use crate::config::ConnectionConfig;

/// Pause after the operating system failed to accept a connection, e.g. for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Longest headers of a request by HTTP/1, in bytes; also the size of a connection's buffers.
const HEADERS_HTTP1: usize = 64 * 1024;
/// The longest headers of a request by HTTP/2, in bytes.
const HEADERS_HTTP2: u32 = 16 * 1024;
/// Requests that one connection may have under way by HTTP/2.
const STREAMS: u32 = 100;
/// Requests that may be taken back before the service has looked at them (CVE-2023-44487), and that it may
/// have to refuse for a fault of the protocol (CVE-2025-8671), before the connection is closed.
const RESETS: usize = 20;
/// Most bytes that may wait to be sent on one stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Interval between pings to a peer that has requests under way, and longest wait for its answer.
const PING: Duration = Duration::from_secs(20);

/// Takes the connections of a listener and serves them.
pub(super) struct Connections {
    places: Arc<Places>,
    patience: Patience,
    http: auto::Builder<TokioExecutor>,
    /// Cancelled to take no more requests.
    stop: CancellationToken,
    /// Cancelled to drop all connections.
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    /// Makes it by the configuration. Peers in `trusted` are proxies, which may have any number within the total.
    pub(super) fn new(config: &ConnectionConfig, trusted: Vec<IpNet>) -> Arc<Self> {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADERS_HTTP1);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .max_header_list_size(HEADERS_HTTP2)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Arc::new(Self {
            places: Places::new(descriptors::provide(config.max), config.per_address, trusted),
            patience: Patience { headers: config.header_timeout, idle: config.idle_timeout },
            http,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Serves until `stop` resolves, then takes no more connections and lets requests under way finish for
    /// up to `drain`.
    pub(super) async fn serve<E: Endpoint + 'static>(
        self: Arc<Self>,
        listener: TcpListener,
        endpoint: E,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) -> io::Result<()> {
        let local = listener.local_addr()?;
        let endpoint = Arc::new(endpoint);
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.take(stream, local, peer, &endpoint),
                    Err(error) => refused(&error).await,
                },
            }
        }
        drop(listener);
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "requests under way did not end in time");
            self.abort.cancel();
            self.tasks.wait().await;
        }
        Ok(())
    }

    /// Serves a connection if the caps allow it; otherwise closes it at once.
    fn take<E: Endpoint + 'static>(
        self: &Arc<Self>,
        stream: TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        endpoint: &Arc<E>,
    ) {
        match self.places.take(peer.ip()) {
            Ok(place) => {
                let (connections, endpoint) = (Arc::clone(self), Arc::clone(endpoint));
                self.tasks.spawn(async move { connections.connection(stream, local, peer, endpoint, place).await });
            }
            Err(full) => counter!("http_connections_refused_total", "reason" => full.as_str()).increment(1),
        }
    }

    async fn connection<E: Endpoint + 'static>(
        &self,
        stream: TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        endpoint: Arc<E>,
        place: Place,
    ) {
        let _open = Open::count(place);
        // Answers are written whole; holding their ends back would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let activity = Activity::new();
        let heard = Arc::clone(&activity);
        let io = TokioIo::new(InspectReader::new(stream, move |bytes: &[u8]| {
            if !bytes.is_empty() {
                heard.heard();
            }
        }));
        let requests = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = requests.begin(request.version() == Version::HTTP_2);
            let endpoint = Arc::clone(&endpoint);
            let (local, peer) = (LocalAddr(Addr::SocketAddr(local)), RemoteAddr(Addr::SocketAddr(peer)));
            async move {
                let answer = endpoint.get_response((request, local, peer, Scheme::HTTP).into()).await.into_response();
                Ok::<_, Infallible>(Response::from(answer).map(|body| under_way.answered(body)))
            }
        });
        let mut served = pin!(self.http.serve_connection(io, service));
        let overdue = tokio::select! {
            // The connection first: its result takes precedence over a deadline.
            biased;
            overdue = within(served.as_mut(), &activity, self.patience) => overdue,
            () = self.abort.cancelled() => None,
            () = self.stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    overdue = within(served.as_mut(), &activity, self.patience.parting()) => overdue,
                    () = self.abort.cancelled() => None,
                }
            }
        };
        if let Some(overdue) = overdue {
            counter!("http_connections_overdue_total", "reason" => overdue.as_str()).increment(1);
        }
    }
}

/// Waits until a connection has ended; at most for as long as its activity allows.
async fn within(mut served: Pin<&mut impl Future>, activity: &Activity, patience: Patience) -> Option<Overdue> {
    let mut timer = pin!(sleep_until(Instant::now() + patience.least()));
    poll_fn(|cx| {
        if served.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            let now = Instant::now();
            let wake = match activity.due(&patience) {
                Some((at, overdue)) if at <= now => return Poll::Ready(Some(overdue)),
                Some((at, _)) => at,
                // A request may end meanwhile without waking this task; the next deadline is at least this long after
                // that.
                None => now + patience.least(),
            };
            // A timer that fires too early costs one check; setting it anew each time costs more.
            if timer.is_elapsed() || wake < timer.deadline() {
                timer.as_mut().reset(wake);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// A connection that could not be taken: its peer has gone, or there are no descriptors left.
async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    if [ConnectionAborted, ConnectionReset].contains(&error.kind()) {
        return;
    }
    counter!("http_connections_refused_total", "reason" => "system").increment(1);
    tracing::warn!(%error, "a connection can't be taken");
    sleep(ACCEPT_PAUSE).await;
}

/// A connection that is open, in the metrics; its place is free again with it.
struct Open {
    _place: Place,
}

impl Open {
    fn count(place: Place) -> Self {
        counter!("http_connections_total").increment(1);
        gauge!("http_connections_open").increment(1);
        Self { _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("http_connections_open").decrement(1);
    }
}
