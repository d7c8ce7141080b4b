//! Rows on their way from a snapshot to a file.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, TryStreamExt as _, stream};
use server_shared::http::csv::Cell;
use sqlx::postgres::PgRow;
use tokio::{
    sync::mpsc::{self, Sender},
    task::spawn_blocking,
    time::timeout,
};

use super::places::Place;
use crate::database::{DatabaseError, Snapshot, Tabular};

/// Number of batches that are opened at the same time, each on a thread of its own: opening the key of a patient takes
/// longer than reading the row.
const OPENED_AT_ONCE: usize = 2;

/// Reason for which rows end early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowsFault {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the rows were not taken within {0:?}")]
    TooLong(Duration),
    #[error("the reading or opening of rows has ended early")]
    Ended,
}

/// Rows of the cursor, as many as the table takes at once.
struct Batch {
    rows: Vec<PgRow>,
    /// `true` if no rows follow.
    last: bool,
}

/// Returns the rows of a table whose cursor the snapshot has declared. They are read as fast as they are taken, a batch
/// ahead. If the stream is dropped, or not taken to its end within `limit`, the statement under way ends. `place` is
/// given back once the snapshot has no connection any more.
pub(super) fn rows(
    snapshot: Snapshot,
    table: &Arc<dyn Tabular>,
    limit: Duration,
    place: Option<Place>,
) -> impl Stream<Item = Result<Vec<Cell>, RowsFault>> + Send + use<> {
    let (sender, receiver) = mpsc::channel(1);
    let batch = table.batch();
    tokio::spawn(async move {
        let _place = place;
        let fault = tokio::select! {
            ended = timeout(limit, read(snapshot, batch, &sender)) => match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => RowsFault::Database(error),
                Err(_) => RowsFault::TooLong(limit),
            },
            // Drops the snapshot.
            () = sender.closed() => return,
        };
        // Ignores a receiver that has gone.
        let _ = sender.send(Err(fault)).await;
    });
    let batches = stream::try_unfold(Some(receiver), |receiver| async {
        let Some(mut receiver) = receiver else { return Ok::<_, RowsFault>(None) };
        // A sender that has gone without the last batch must not look like the end.
        let batch: Batch = receiver.recv().await.ok_or(RowsFault::Ended)??;
        let next = (!batch.last).then_some(receiver);
        Ok(Some((batch.rows, next)))
    });
    let table = Arc::clone(table);
    batches
        .map_ok(move |rows| open(Arc::clone(&table), rows))
        .try_buffered(OPENED_AT_ONCE)
        .map_ok(|rows| stream::iter(rows.into_iter().map(Ok::<_, RowsFault>)))
        .try_flatten()
}

/// Sends the rows of the cursor, and ends the snapshot before the last ones are sent.
async fn read(
    mut snapshot: Snapshot,
    batch: usize,
    sender: &Sender<Result<Batch, RowsFault>>,
) -> Result<(), DatabaseError> {
    loop {
        let rows = snapshot.fetch(batch).await?;
        if rows.len() < batch {
            snapshot.end().await?;
            // Ignores a receiver that has gone.
            let _ = sender.send(Ok(Batch { rows, last: true })).await;
            return Ok(());
        }
        if sender.send(Ok(Batch { rows, last: false })).await.is_err() {
            return Ok(());
        }
    }
}

/// Makes rows of the table of rows of the cursor.
async fn open(table: Arc<dyn Tabular>, rows: Vec<PgRow>) -> Result<Vec<Vec<Cell>>, RowsFault> {
    let opened = spawn_blocking(move || rows.iter().map(|row| table.row(row)).collect::<Result<Vec<_>, _>>());
    Ok(opened.await.map_err(|_| RowsFault::Ended)??)
}
