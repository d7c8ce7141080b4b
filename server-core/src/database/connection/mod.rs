//! Connections of requests.
//!
//! sqlx's pool asks PostgreSQL for a sign of life whenever a connection is given back: a message and a second wake-up
//! of the backend for each read. The pool of the restricted role is therefore bb8's: a connection whose last statement
//! was answered to its end is given back without a word, and only one that was idle for long is tested before it is
//! used. Any other (its statement failed, its request was cancelled) is tested before it is given back. Superadmins'
//! requests are few and share the owner's pool with the service's own jobs.

#[cfg(test)]
mod tests;

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use bb8::{ManageConnection, PooledConnection, QueueStrategy, RunError};
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, ready},
    stream::{self, BoxStream},
};
use secrecy::SecretString;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Execute, Executor, PgConnection, PgPool, Postgres,
    SqlStr,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{DatabaseError, first::Prepared, pool};
use crate::config::PoolConfig;

/// Idle time after which a connection is tested before it is used: proxies and firewalls forget connections.
const TEST_AFTER: Duration = Duration::from_secs(30);
/// Longest wait for the answer of a statement whose request is gone; the connection is closed then.
const TEST_WITHIN: Duration = Duration::from_secs(30);

/// Pool of connections for requests. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Connections {
    /// Pool of the restricted role.
    App(bb8::Pool<Manager>),
    /// Pool of the owner, which the service's own jobs use, too.
    Owner(PgPool),
}

impl Connections {
    /// Builds the pool of the restricted role, which connects on its first use. Must be called within a tokio runtime.
    /// Fails with [`sqlx::Error::Configuration`] if `url` is not a URL of PostgreSQL.
    pub(crate) fn new(url: &SecretString, config: &PoolConfig) -> Result<Self, sqlx::Error> {
        let pool = bb8::Pool::builder()
            .min_idle(config.min)
            .max_size(config.max)
            .connection_timeout(config.acquire_timeout)
            .max_lifetime(config.max_lifetime)
            .idle_timeout(config.idle_timeout)
            .test_on_check_out(true)
            // Those used last have their statements and PostgreSQL's caches at hand, and the others may end.
            .queue_strategy(QueueStrategy::Lifo)
            .build_unchecked(Manager(pool::options(url)?));
        Ok(Self::App(pool))
    }

    /// Waits for a connection. Fails with [`sqlx::Error::PoolTimedOut`] if none is free within `DB_ACQUIRE_TIMEOUT`.
    pub(super) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let held = match self {
            Self::App(pool) => Held::App(pool.get_owned().await.map_err(|error| match error {
                RunError::User(error) => error,
                RunError::TimedOut => sqlx::Error::PoolTimedOut,
            })?),
            #[allow(clippy::disallowed_methods, reason = "the one place that takes connections for requests")]
            Self::Owner(pool) => Held::Owner(pool.acquire().await?),
        };
        Ok(Connection { held: Some(held), open: Open::Nothing, severed: false })
    }
}

/// Opens and tests connections for bb8.
#[derive(Debug)]
pub(crate) struct Manager(PgConnectOptions);

/// Open connection in the pool.
#[derive(Debug)]
pub(crate) struct Live {
    connection: PgConnection,
    /// Names of the statements that it has prepared.
    prepared: Vec<&'static str>,
    /// Time at which it was given back.
    returned: Instant,
    broken: bool,
}

impl ManageConnection for Manager {
    type Connection = Live;
    type Error = sqlx::Error;

    async fn connect(&self) -> Result<Live, sqlx::Error> {
        let connection = self.0.connect().await?;
        Ok(Live { connection, prepared: Vec::new(), returned: Instant::now(), broken: false })
    }

    async fn is_valid(&self, live: &mut Live) -> Result<(), sqlx::Error> {
        if live.returned.elapsed() < TEST_AFTER { Ok(()) } else { live.connection.ping().await }
    }

    fn has_broken(&self, live: &mut Live) -> bool {
        live.broken
    }
}

/// Connection of one request. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` once it is dropped.
    held: Option<Held>,
    open: Open,
    /// True to close the connection if it is dropped while something is open.
    severed: bool,
}

#[derive(Debug)]
enum Held {
    App(PooledConnection<'static, Manager>),
    Owner(PoolConnection<Postgres>),
}

/// Part of a connection's work that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Every statement was answered to its end, and there is no transaction.
    Nothing,
    /// A statement outside of a transaction: it is not known to be answered to its end.
    Statement,
    Transaction,
}

impl Connection {
    /// Returns the connection for the statements of a transaction.
    pub(super) fn in_transaction(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.open = Open::Transaction;
        Ok(self.held.as_mut().ok_or_else(DatabaseError::ended)?.connection())
    }

    /// Prepares the statement, unless the connection has done so before. Returns `false` if it keeps no prepared
    /// statements: a connection of the owner's pool.
    pub(super) async fn prepare(&mut self, statement: Prepared) -> Result<bool, sqlx::Error> {
        let Some(Held::App(live)) = &mut self.held else { return Ok(false) };
        if !live.prepared.contains(&statement.name) {
            // A request that is cancelled here leaves the name in use, so the connection is closed rather than given
            // back.
            live.broken = true;
            let sql = AssertSqlSafe(format!("prepare {} as {}", statement.name, (statement.sql)()));
            live.connection.execute(sqlx::raw_sql(sql)).await?;
            live.broken = false;
            live.prepared.push(statement.name);
        }
        Ok(true)
    }

    /// Closes the connection if it is dropped before its transaction has ended, instead of waiting for the answer of
    /// the statement under way: PostgreSQL ends a statement whose client has gone.
    pub(super) fn sever_when_dropped(&mut self) {
        self.severed = true;
    }

    /// States that the transaction has ended.
    pub(super) fn transaction_ended(&mut self) {
        self.open = Open::Nothing;
    }

    /// Returns the connection for a statement that is a transaction of its own.
    pub(super) fn statement(&mut self) -> Statement<'_> {
        Statement { connection: self.held.as_mut().map(Held::connection), open: Some(&mut self.open) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        if self.open == Open::Nothing {
            held.returned();
        } else if self.severed {
            held.sever();
        } else {
            tokio::spawn(held.close_open(self.open));
        }
    }
}

impl Held {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::App(held) => &mut held.connection,
            Self::Owner(held) => held,
        }
    }

    fn returned(&mut self) {
        if let Self::App(held) = self {
            held.returned = Instant::now();
        }
    }

    /// Closes the connection.
    fn sever(self) {
        match self {
            Self::App(mut held) => held.broken = true,
            Self::Owner(mut held) => held.close_on_drop(),
        }
    }

    /// Ends what is open and gives the connection back if it still works; otherwise closes it.
    async fn close_open(mut self, open: Open) {
        let connection = self.connection();
        let ending = async {
            match open {
                Open::Transaction => connection.execute(sqlx::raw_sql("rollback")).await.map(drop),
                Open::Statement | Open::Nothing => connection.ping().await,
            }
        };
        let works = matches!(tokio::time::timeout(TEST_WITHIN, ending).await, Ok(Ok(())));
        self.returned();
        match &mut self {
            Self::App(held) => held.broken = !works,
            Self::Owner(held) if !works => held.close_on_drop(),
            Self::Owner(_) => {}
        }
    }
}

/// Connection for the next statement, in a transaction or without one.
#[derive(Debug)]
pub(crate) struct Statement<'c> {
    connection: Option<&'c mut PgConnection>,
    /// State of the connection, set to [`Open::Nothing`] once the statement has been answered to its end; `None` in a
    /// transaction, which stays open.
    open: Option<&'c mut Open>,
}

impl<'c> From<&'c mut PgConnection> for Statement<'c> {
    /// Returns a connection for a statement in an open transaction.
    fn from(connection: &'c mut PgConnection) -> Self {
        Self { connection: Some(connection), open: None }
    }
}

impl<'c> Statement<'c> {
    /// Returns the connection, and a function to call when the statement has been answered to its end.
    fn begin(mut self) -> Result<(&'c mut PgConnection, impl FnMut() + Send + 'c), sqlx::Error> {
        let connection = self.connection.ok_or(sqlx::Error::PoolClosed)?;
        if let Some(open) = &mut self.open {
            **open = Open::Statement;
        }
        let answered = move || {
            if let Some(open) = &mut self.open {
                **open = Open::Nothing;
            }
        };
        Ok((connection, answered))
    }
}

impl<'c> Executor<'c> for Statement<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (connection, mut answered) = match self.begin() {
            Ok(begun) => begun,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        // An error ends the reading before this end is reached.
        let end = stream::poll_fn(move |_| {
            answered();
            Poll::Ready(None)
        });
        connection.fetch_many(query).chain(end).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (connection, mut answered) = match self.begin() {
            Ok(begun) => begun,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let row = connection.fetch_optional(query);
        Box::pin(async move {
            let row = row.await?;
            answered();
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        match self.begin() {
            Ok((connection, _)) => connection.prepare_with(sql, parameters),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        match self.begin() {
            Ok((connection, _)) => connection.describe(sql),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}
