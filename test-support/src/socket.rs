//! Sockets that occupy a connection and send little or nothing.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::{Server, eventually, until};

/// Interval between two bytes of a dripping socket.
const DRIP: Duration = Duration::from_millis(100);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS that say nothing.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// SETTINGS by which nothing of an answer may be sent: `INITIAL_WINDOW_SIZE` is 0.
const SETTINGS_NO_WINDOW: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// A way to hold a connection for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idler {
    /// Sends nothing.
    Silent,
    /// Sends headers without their end.
    HalfHeaders,
    /// Sends headers one byte at a time, for ever.
    DrippedHeaders,
    /// Makes one request and no other.
    KeepAlive,
    /// Makes one request and begins another.
    SecondHalf,
    /// Says that it speaks HTTP/2, and nothing more.
    BareHttp2,
    /// Says that it speaks HTTP/2, and asks whether the server is there, for ever.
    PingingHttp2,
    /// Asks for much by HTTP/2 and lets nothing of it be sent.
    UntakenHttp2,
}

impl Idler {
    /// Every one.
    const ALL: [Self; 8] = [
        Self::Silent,
        Self::HalfHeaders,
        Self::DrippedHeaders,
        Self::KeepAlive,
        Self::SecondHalf,
        Self::BareHttp2,
        Self::PingingHttp2,
        Self::UntakenHttp2,
    ];

    /// Reason for which a server closes it, as its metrics name it.
    fn reason(self) -> &'static str {
        match self {
            Self::Silent
            | Self::HalfHeaders
            | Self::DrippedHeaders
            | Self::SecondHalf
            | Self::BareHttp2
            | Self::PingingHttp2 => "headers",
            Self::KeepAlive => "idle",
            Self::UntakenHttp2 => "stalled",
        }
    }

    /// Opens `count` of them; each task ends once the server has closed its socket.
    fn open(self, address: &str, count: usize) -> JoinSet<()> {
        let mut sockets = JoinSet::new();
        for _ in 0..count {
            let address = address.to_owned();
            sockets.spawn(async move {
                let mut stream = TcpStream::connect(&address).await.expect("the server takes the connection");
                // Any end counts: a server that closes while the client sends resets the connection.
                let _ = self.hold(&mut stream).await;
            });
        }
        sockets
    }

    async fn hold(self, stream: &mut TcpStream) -> io::Result<()> {
        const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n";
        match self {
            Self::Silent => until_closed(stream).await,
            Self::HalfHeaders => say(stream, &REQUEST[..REQUEST.len() - 2]).await,
            Self::KeepAlive => say(stream, REQUEST).await,
            Self::SecondHalf => {
                stream.write_all(REQUEST).await?;
                let mut answer = [0; 2_048];
                let _ = stream.read(&mut answer).await?;
                say(stream, &REQUEST[..REQUEST.len() - 2]).await
            }
            Self::BareHttp2 => say(stream, &[PREFACE, SETTINGS].concat()).await,
            Self::UntakenHttp2 => say(stream, &[PREFACE, SETTINGS_NO_WINDOW, &get("/openapi.json")].concat()).await,
            Self::DrippedHeaders => {
                stream.write_all(&REQUEST[..REQUEST.len() - 2]).await?;
                drip(stream, b"x-y: z\r\n").await
            }
            Self::PingingHttp2 => {
                stream.write_all(&[PREFACE, SETTINGS].concat()).await?;
                drip(stream, &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await
            }
        }
    }
}

async fn say(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    until_closed(stream).await
}

async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut taken = [0; 4_096];
    while stream.read(&mut taken).await? > 0 {}
    Ok(())
}

/// Sends `bytes` over and over, one at a time, until the other side closes.
async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        let mut tick = tokio::time::interval(DRIP);
        for byte in bytes.iter().cycle() {
            tick.tick().await;
            writer.write_all(&[*byte]).await?;
        }
        Ok(())
    };
    let closed = async {
        let mut taken = [0; 4_096];
        while reader.read(&mut taken).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = dripping => ended,
        ended = closed => ended,
    }
}

/// The frame of a GET by HTTP/2: its fields by the static table, or literally.
fn get(path: &str) -> Vec<u8> {
    let literal = |name: u8, value: &str| {
        let length = u8::try_from(value.len()).expect("a short value");
        [&[name, length], value.as_bytes()].concat()
    };
    // :method GET, :scheme http, :path, :authority
    let fields = [vec![0x82, 0x86], literal(0x04, path), literal(0x01, "test")].concat();
    let length = u8::try_from(fields.len()).expect("a short frame");
    // HEADERS with END_STREAM and END_HEADERS, on stream 1.
    [&[0, 0, length, 1, 5, 0, 0, 0, 1], fields.as_slice()].concat()
}

/// A connection that served one request and is kept open.
#[derive(Debug)]
pub struct Kept {
    _stream: TcpStream,
}

impl Kept {
    /// Connects from an address of this machine and asks for `/health`; none if the server closes instead.
    pub async fn open(from: IpAddr, address: &str) -> Option<Self> {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket.bind((from, 0).into()).expect("all of 127.0.0.0/8 is this machine");
        let mut stream = socket.connect(address.parse().expect("a socket address")).await.ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n").await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        assert_eq!(&status, b"HTTP/1.1 200");
        Some(Self { _stream: stream })
    }
}

/// Sockets of a kind that are held at once.
const CROWD: usize = 500;
/// Time within which the server has to turn a crowd away. Deadlines are seconds; a server without them would hold it
/// for minutes, or for ever.
const PATIENCE: Duration = Duration::from_mins(1);
/// Deadlines for [`crowds_are_closed`], and room for a crowd.
pub const CROWDED: [(&str, &str); 3] =
    [("CONNECTION_HEADER_TIMEOUT", "2s"), ("CONNECTION_IDLE_TIMEOUT", "3s"), ("CONNECTIONS_PER_ADDRESS", "1000")];

/// Holds 500 sockets of each kind, one kind after the other: the server closes all of them for the reason
/// that the kind has, does what `healthy` asks meanwhile, and is left with no descriptor of theirs.
///
/// The server runs with [`CROWDED`], and with pools that don't grow.
pub async fn crowds_are_closed(server: &Server, healthy: impl AsyncFn()) {
    healthy().await;
    let before = server.descriptors();
    for idler in Idler::ALL {
        let overdue = format!("http_connections_overdue_total{{reason=\"{}\"}}", idler.reason());
        let (taken, closed) = (server.metric("http_connections_total").await, server.metric(&overdue).await);
        let mut sockets = idler.open(server.address(), CROWD);
        until(format!("{idler:?} sockets are closed"), PATIENCE, || {
            while let Some(ended) = sockets.try_join_next() {
                ended.expect("no socket was refused");
            }
            let none = sockets.is_empty();
            let healthy = healthy();
            async move {
                healthy.await;
                none.then_some(())
            }
        })
        .await;
        let crowd = f64::from(u32::try_from(CROWD).expect("a crowd is counted in hundreds"));
        assert!(server.metric("http_connections_total").await - taken >= crowd, "{idler:?} sockets were all taken");
        let closed = server.metric(&overdue).await - closed;
        assert!(closed >= crowd, "{closed} were closed as {:?}: {idler:?}", idler.reason());
        // The server opens some connections of its own meanwhile, and few of them.
        eventually(format!("descriptors of {idler:?} sockets are given back"), PATIENCE, || async {
            server.descriptors() <= before + CROWD / 10
        })
        .await;
    }
}
