//! A proxy between a server and PostgreSQL that reads along: it counts round trips by the
//! ReadyForQuery messages that end them, and can hold or cut connections.

mod wire;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

pub use wire::Statement;
use wire::{Backend, Frontend, Said};

/// One cycle that PostgreSQL has ended with ReadyForQuery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The role of the connection.
    pub user: String,
    /// Statements that were executed; empty for a bare Sync, which a pool sends when a connection is returned
    /// and which no request waits for.
    pub statements: Vec<Statement>,
}

impl Trip {
    /// Returns `true` if a statement was executed.
    pub fn awaited(&self) -> bool {
        !self.statements.is_empty()
    }

    /// Returns `true` if it belongs to a background job instead of a request.
    pub fn background(&self) -> bool {
        self.statements.iter().any(|statement| {
            let sql = statement.sql.trim_start();
            let of_jobs = sql.starts_with("update jobs") || sql.contains("from jobs_claim(");
            of_jobs || sql.contains("audit_outbox") || sql.starts_with("LISTEN")
        })
    }
}

/// Messages between two moments.
#[derive(Debug, Clone)]
pub struct Conversation(pub Vec<Trip>);

impl Conversation {
    /// The trips of requests that somebody waited for.
    pub fn awaited(&self) -> usize {
        self.0.iter().filter(|trip| trip.awaited() && !trip.background()).count()
    }

    /// The statements of requests, in order.
    pub fn statements(&self) -> Vec<&Statement> {
        self.0.iter().filter(|trip| !trip.background()).flat_map(|trip| &trip.statements).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Bytes pass.
    Open,
    /// Connections stay, nothing passes.
    Held,
    /// Connections are closed, new ones refused.
    Cut,
}

/// The proxy. Dropped, it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    mode: watch::Sender<Mode>,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

/// Log that all connections share.
#[derive(Debug, Default)]
struct Log {
    trips: Mutex<Vec<Trip>>,
    /// The role of each connection whose server has been kept waiting since [`Proxy::hold`].
    held: Mutex<Vec<String>>,
}

impl Proxy {
    /// Listens on a free port for connections to `target` (`host:port`).
    pub async fn start(target: &str) -> Self {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address");
        let (mode, mut watched) = watch::channel(Mode::Open);
        let log = Arc::new(Log::default());
        let (target, written) = (target.to_owned(), Arc::clone(&log));
        let accepting = tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted.ok(),
                    _ = watched.wait_for(|mode| *mode == Mode::Cut) => None,
                };
                let Some((client, _)) = accepted else {
                    // While it is cut, nothing listens and connections are refused.
                    drop(listener);
                    if watched.wait_for(|mode| *mode != Mode::Cut).await.is_err() {
                        return;
                    }
                    listener = TcpListener::bind(address).await.expect("the port is still ours");
                    continue;
                };
                let (target, log, mut mode) = (target.clone(), Arc::clone(&written), watched.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        // Both ends close when this is dropped.
                        _ = relay(client, &target, log, mode.clone()) => {}
                        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
                    }
                });
            }
        });
        Self { address: address.to_string(), mode, log, accepting }
    }

    /// Returns the address on which it listens, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Forgets earlier messages; [`Proxy::said`] then returns later ones.
    pub fn listen(&self) {
        self.log.trips.lock().expect("nobody panicked with it").clear();
    }

    /// Returns the messages since [`Proxy::listen`].
    pub fn said(&self) -> Conversation {
        Conversation(self.log.trips.lock().expect("nobody panicked with it").clone())
    }

    /// Holds every byte: PostgreSQL seems to hang.
    pub fn hold(&self) {
        self.log.held.lock().expect("nobody panicked with it").clear();
        self.mode.send_replace(Mode::Held);
    }

    /// Returns `true` if a statement of this role has been waiting since [`Proxy::hold`].
    pub fn holds(&self, user: &str) -> bool {
        self.log.held.lock().expect("nobody panicked with it").iter().any(|held| held == user)
    }

    /// Closes every connection and refuses new ones: PostgreSQL seems to be gone.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Lets bytes and connections pass again.
    pub fn open(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

/// State that both directions of a connection share.
#[derive(Debug, Default)]
struct Talk {
    user: String,
    /// The SQL since the last Sync.
    open: Vec<Statement>,
    /// The SQL of each cycle that PostgreSQL has not ended yet.
    pending: VecDeque<Vec<Statement>>,
    backend: Backend,
}

async fn relay(client: TcpStream, target: &str, log: Arc<Log>, mode: watch::Receiver<Mode>) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let talk = Arc::new(Mutex::new(Talk::default()));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();

    let (asked, kept, held) = (Arc::clone(&talk), Arc::clone(&talk), Arc::clone(&log));
    let wait = move || {
        let user = kept.lock().expect("nobody panicked with it").user.clone();
        held.held.lock().expect("nobody panicked with it").push(user);
    };
    let mut frontend = Frontend::default();
    let up = pump(from_client, to_server, mode.clone(), wait, move |bytes| {
        let mut talk = asked.lock().expect("nobody panicked with it");
        for said in frontend.read(bytes) {
            match said {
                Said::Start { user } => {
                    talk.user = user;
                    // PostgreSQL ends the start-up with a ReadyForQuery as well.
                    talk.pending.push_back(Vec::new());
                }
                Said::Encrypt => talk.backend.bare += 1,
                Said::Sql(statement) => talk.open.push(statement),
                Said::Sync => {
                    let cycle = std::mem::take(&mut talk.open);
                    talk.pending.push_back(cycle);
                }
                Said::Other => {}
            }
        }
    });
    let down = pump(
        from_server,
        to_client,
        mode,
        || {},
        move |bytes| {
            let mut talk = talk.lock().expect("nobody panicked with it");
            for _ in 0..talk.backend.read(bytes) {
                let statements = talk.pending.pop_front().unwrap_or_default();
                // Recorded before the client receives the answer, so that a test that has the answer finds the trip.
                log.trips.lock().expect("nobody panicked with it").push(Trip { user: talk.user.clone(), statements });
            }
        },
    );
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    wait: impl Fn(),
    mut look: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if *mode.borrow() == Mode::Held {
            wait();
        }
        if mode.wait_for(|mode| *mode != Mode::Held).await.is_err() {
            return Ok(());
        }
        look(&buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}
