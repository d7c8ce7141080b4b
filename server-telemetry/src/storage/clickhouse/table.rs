//! Inserts into one table.

use std::{marker::PhantomData, time::Duration};

use clickhouse::{Client, Row, RowOwned, RowWrite, error::Error};

use super::writer::Sink;

/// Longest time for sending one chunk, and for ClickHouse to store the batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Table for rows of type `T`.
pub(crate) struct Table<T> {
    client: Client,
    name: &'static str,
    row: PhantomData<fn(T)>,
}

impl<T> Table<T> {
    /// Makes the table called `name`.
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

    async fn store(&self, requests: &[Vec<T>]) -> Result<(), Error> {
        let stored = self.insert(requests).await;
        if stored.as_ref().is_err_and(|error| !super::is_down(error)) {
            // The client may have cached the columns from before a migration.
            self.client.clear_cached_metadata().await;
        }
        stored
    }
}

impl<T> Table<T>
where
    T: Row + RowOwned + RowWrite + Send + Sync + 'static,
{
    async fn insert(&self, requests: &[Vec<T>]) -> Result<(), Error> {
        // The first INSERT asks for the columns of the table, which the timeouts of the INSERT do not cover.
        let mut insert = tokio::time::timeout(SEND_TIMEOUT, self.client.insert::<T>(self.name))
            .await
            .map_err(|_| Error::TimedOut)??
            .with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT));
        for row in requests.iter().flatten() {
            insert.write(row).await?;
        }
        insert.end().await
    }
}
