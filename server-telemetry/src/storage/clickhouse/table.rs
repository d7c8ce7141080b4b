//! One INSERT into one table.

use std::{marker::PhantomData, time::Duration};

use clickhouse::{Client, Row, RowOwned, RowWrite, error::Error};

use super::writer::Sink;

/// How long one chunk may take to be sent, and the engine to store the batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// A table that rows of type `T` go to.
pub(crate) struct Table<T> {
    client: Client,
    name: &'static str,
    row: PhantomData<fn(T)>,
}

impl<T> Table<T> {
    /// The table called `name`.
    pub(crate) fn new(client: Client, name: &'static str) -> Self {
        Self { client, name, row: PhantomData }
    }
}

impl<T> Sink<T> for Table<T>
where
    T: Row + RowOwned + RowWrite + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    async fn store(&self, rows: &[T]) -> Result<(), Error> {
        let stored = self.insert(rows).await;
        if stored.as_ref().is_err_and(|error| !super::is_down(error)) {
            // The columns that the client remembers may be those of before a migration.
            self.client.clear_cached_metadata().await;
        }
        stored
    }
}

impl<T> Table<T>
where
    T: Row + RowOwned + RowWrite + Send + Sync + 'static,
{
    async fn insert(&self, rows: &[T]) -> Result<(), Error> {
        // The first INSERT asks for the table's columns, which no timeout of the INSERT covers.
        let mut insert = tokio::time::timeout(SEND_TIMEOUT, self.client.insert::<T>(self.name))
            .await
            .map_err(|_| Error::TimedOut)??
            .with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT));
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}
