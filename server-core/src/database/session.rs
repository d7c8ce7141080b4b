//! Connection with an open transaction. Dropping it rolls back.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Either, Executor as _, PgConnection, postgres::PgRow};

use super::{Connections, DatabaseError, connection::Connection, first::First};

/// Rows of the statement that was executed with the begin, or the error that it raised.
pub(super) type FirstRows = Result<Vec<PgRow>, sqlx::Error>;

/// Open transaction. sqlx's `Transaction` commits in a round trip of its own; this type sends the audit rows and the
/// COMMIT in one message.
#[derive(Debug)]
pub(super) struct Session(Connection);

impl Session {
    /// Opens a transaction with these statements, of which `begin` is the first: one round trip.
    pub(super) async fn begin(connections: &Connections, statements: &str) -> Result<Self, DatabaseError> {
        // The session exists before BEGIN is sent: a request that is cancelled while it waits must not give back a
        // connection with an open transaction.
        let mut session = Self(connections.acquire().await?);
        session.run(statements).await?;
        Ok(session)
    }

    /// Opens a transaction like [`Session::begin`] and executes `first` in the same round trip; in one more if the
    /// connection has yet to prepare it. Returns `None` in place of its rows if the connection keeps no prepared
    /// statements: then `first` was not executed. Fails if one of `statements` does.
    pub(super) async fn begin_with(
        connections: &Connections,
        statements: &str,
        first: &First,
    ) -> Result<(Self, Option<FirstRows>), DatabaseError> {
        let mut session = Self(connections.acquire().await?);
        if !session.0.prepare(first.prepared).await? {
            session.run(statements).await?;
            return Ok((session, None));
        }
        let sql = AssertSqlSafe(format!("{statements}{}", first.execute));
        // None of `statements` has a semicolon but at its end: they consist of numbers, hexadecimal text and constants.
        let (begun, mut ended, mut rows) = (statements.matches(';').count(), 0, Vec::new());
        let mut answers = session.connection()?.fetch_many(sqlx::raw_sql(sql));
        let refused = loop {
            match answers.try_next().await {
                Ok(Some(Either::Left(_))) => ended += 1,
                Ok(Some(Either::Right(row))) if ended == begun => rows.push(row),
                Ok(Some(Either::Right(_))) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        drop(answers);
        match refused {
            None => Ok((session, Some(Ok(rows)))),
            Some(error) if ended == begun && error.as_database_error().is_some() => Ok((session, Some(Err(error)))),
            Some(error) => Err(error.into()),
        }
    }

    /// Closes the connection if the transaction is dropped before its end, so that a statement under way ends with it.
    pub(super) fn sever_when_dropped(&mut self) {
        self.0.sever_when_dropped();
    }

    /// Returns the connection on which queries run.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.0.in_transaction()
    }

    /// Runs statements written by this crate: one round trip.
    pub(super) async fn run(&mut self, statements: &str) -> Result<(), DatabaseError> {
        let sql = AssertSqlSafe(statements.to_owned());
        self.connection()?.execute(sqlx::raw_sql(sql)).await?;
        Ok(())
    }

    /// Runs these statements, which append the audit rows, and commits: one round trip.
    pub(super) async fn commit(mut self, statements: &str) -> Result<(), DatabaseError> {
        self.run(&format!("{statements} commit;")).await.map_err(DatabaseError::of_commit)?;
        self.0.transaction_ended();
        Ok(())
    }
}
