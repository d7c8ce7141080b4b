//! Group commit: many requests share few INSERTs.
//!
//! Each INSERT makes a part that ClickHouse must merge, so an INSERT for each request would make too many
//! parts. A handler hands its rows to the table's writer and waits; the writer sends all waiting rows in one
//! INSERT, and then answers every request whose rows it held. The next INSERT starts when the last one has
//! ended, and no sooner than [`Pace::interval`] after that one began. So nothing is acknowledged before it is
//! stored, a process that dies loses no acknowledged row, and load makes batches larger rather than more
//! frequent.
//!
//! A failed batch is retried although it may have been stored; rows that were stored then exist twice until
//! ClickHouse merges them (`ReplacingMergeTree`), and queries read with `FINAL`. After the last retry the
//! requests are answered 503; their senders still have the rows and can send them again.

use std::{future::Future, sync::Arc, time::Duration};

use clickhouse::error::Error;
use server_shared::shutdown::Shutdown;
use thiserror::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Destination of batches.
pub(crate) trait Sink<T>: Send + Sync + 'static {
    /// Returns the name for logs and metrics.
    fn name(&self) -> &'static str;

    /// Stores all rows of these requests durably, or fails; after a failure any of them may be stored or not.
    fn store(&self, requests: &[Vec<T>]) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Limits of a writer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Least time between the starts of two INSERTs.
    pub interval: Duration,
    /// Maximum number of waiting rows, including those of the INSERT under way; further rows are refused.
    pub queue_rows: usize,
    /// Maximum number of rows of one INSERT, unless a single request has more.
    pub batch_rows: usize,
    /// Pauses between the attempts to store one batch; there is one attempt more than there are pauses.
    pub retries: &'static [Duration],
}

impl Pace {
    /// Returns the pace for a table with rows of some hundred bytes.
    pub(crate) const fn new(queue_rows: usize, batch_rows: usize) -> Self {
        const RETRIES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1)];
        Self { interval: Duration::from_millis(100), queue_rows, batch_rows, retries: &RETRIES }
    }
}

/// Reason for which rows were not stored.
#[derive(Debug, Clone, Error)]
pub(crate) enum WriteError {
    /// Too many rows are waiting already.
    #[error("the queue is full")]
    Full,
    /// ClickHouse did not take the batch in any attempt.
    #[error("the batch could not be stored: {0}")]
    Failed(Arc<Error>),
    /// The service is stopping.
    #[error("the writer has stopped")]
    Stopped,
}

/// Rows of one request, and the channel of the request that waits for them.
struct Waiting<T> {
    rows: Vec<T>,
    /// Permits that are held until the rows are out of memory: they bound the queue.
    room: OwnedSemaphorePermit,
    done: oneshot::Sender<Result<(), WriteError>>,
}

/// Hands rows to the writer of a table. Clones hand rows to the same writer.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    queue: mpsc::UnboundedSender<Waiting<T>>,
    room: Arc<Semaphore>,
    name: &'static str,
}

impl<T: Send + Sync + 'static> Writer<T> {
    /// Starts the writer of `sink`. On shutdown it stores the waiting rows and ends.
    pub(crate) fn start(sink: impl Sink<T>, pace: Pace, shutdown: &Shutdown) -> Self {
        // The channel is unbounded because the semaphore limits the number of rows, and requests differ much in
        // theirs.
        let (queue, requests) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(pace.queue_rows));
        let name = sink.name();
        let batches = Batches { sink, pace, requests, room: Arc::clone(&room), carried: None };
        shutdown.spawn(name, |stop| batches.run(stop));
        Self { queue, room, name }
    }

    /// Writes `rows`, and returns once all of them are stored.
    pub(crate) async fn write(&self, rows: Vec<T>) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(rows.len()).map_err(|_| WriteError::Full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(count).map_err(|_| {
            metrics::counter!("telemetry_writer_refused_total", "table" => self.name).increment(1);
            WriteError::Full
        })?;
        let (done, outcome) = oneshot::channel();
        self.queue.send(Waiting { rows, room, done }).map_err(|_| WriteError::Stopped)?;
        outcome.await.map_err(|_| WriteError::Stopped)?
    }
}

/// Writer's side of the queue.
struct Batches<T, S> {
    sink: S,
    pace: Pace,
    requests: mpsc::UnboundedReceiver<Waiting<T>>,
    room: Arc<Semaphore>,
    /// Request that did not fit into the previous batch.
    carried: Option<Waiting<T>>,
}

impl<T: Send + Sync + 'static, S: Sink<T>> Batches<T, S> {
    async fn run(mut self, stop: CancellationToken) {
        let mut earliest = Instant::now();
        while let Some(first) = self.next(&stop).await {
            // Requests that arrive during this pause still join the batch. At shutdown there is no pause.
            tokio::select! {
                () = sleep_until(earliest) => {}
                () = stop.cancelled() => {}
            }
            let (requests, waiting) = self.collect(first);
            earliest = Instant::now() + self.pace.interval;
            let outcome = self.store(&requests, &stop).await;
            // Frees the rows before it answers, so that the room in the queue is really free by then.
            drop(requests);
            for (room, done) in waiting {
                drop(room);
                // A request that was cancelled no longer listens.
                let _ = done.send(outcome.clone());
            }
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52 rows")]
            metrics::gauge!("telemetry_writer_queue_rows", "table" => self.sink.name())
                .set(self.pace.queue_rows.saturating_sub(self.room.available_permits()) as f64);
        }
        // The handlers may be dropped before the jobs are told to stop.
        stop.cancelled().await;
    }

    /// Returns the first request of the next batch; `None` once the service stops and nothing is waiting.
    async fn next(&mut self, stop: &CancellationToken) -> Option<Waiting<T>> {
        if let Some(carried) = self.carried.take() {
            return Some(carried);
        }
        tokio::select! {
            biased;
            request = self.requests.recv() => request,
            () = stop.cancelled() => {
                // Refuses new requests; those in the queue are still received.
                self.requests.close();
                self.requests.recv().await
            }
        }
    }

    /// Returns the rows of `first` and of the requests waiting behind it, up to the size of a batch. They stay in the
    /// lists that the requests made: one list of all of them would exist twice while it grows.
    fn collect(&mut self, first: Waiting<T>) -> (Vec<Vec<T>>, Vec<Told>) {
        let mut count = first.rows.len();
        let mut requests = vec![first.rows];
        let mut waiting = vec![(first.room, first.done)];
        while let Ok(request) = self.requests.try_recv() {
            // Skips requests that were cancelled meanwhile: nobody was or will be told that their rows are stored.
            // So a row waits no longer than a request may take plus the retries of a batch.
            if request.done.is_closed() {
                continue;
            }
            if count + request.rows.len() > self.pace.batch_rows {
                self.carried = Some(request);
                break;
            }
            count += request.rows.len();
            requests.push(request.rows);
            waiting.push((request.room, request.done));
        }
        (requests, waiting)
    }

    async fn store(&self, requests: &[Vec<T>], stop: &CancellationToken) -> Result<(), WriteError> {
        let rows: usize = requests.iter().map(Vec::len).sum();
        let table = self.sink.name();
        let mut pauses = self.pace.retries.iter();
        loop {
            let began = Instant::now();
            let stored = self.sink.store(requests).await;
            metrics::histogram!("telemetry_writer_insert_duration_seconds", "table" => table).record(began.elapsed());
            let error = match stored {
                Ok(()) => {
                    metrics::counter!("telemetry_writer_inserts_total", "table" => table, "outcome" => "stored")
                        .increment(1);
                    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 rows")]
                    metrics::histogram!("telemetry_writer_batch_rows", "table" => table).record(rows as f64);
                    return Ok(());
                }
                Err(error) => error,
            };
            metrics::counter!("telemetry_writer_inserts_total", "table" => table, "outcome" => "failed").increment(1);
            let pause = pauses.next().filter(|_| super::is_down(&error));
            let Some(pause) = pause else {
                tracing::error!(table, rows, %error, "a batch could not be stored");
                return Err(WriteError::Failed(Arc::new(error)));
            };
            tracing::warn!(table, rows, %error, "a batch could not be stored and is retried");
            tokio::select! {
                () = sleep(*pause) => {}
                // Makes one more attempt at once, because there is little time to stop.
                () = stop.cancelled() => {}
            }
        }
    }
}

/// Room in the queue, and the channel of the request to answer.
type Told = (OwnedSemaphorePermit, oneshot::Sender<Result<(), WriteError>>);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    const PACE: Pace =
        Pace { interval: Duration::from_millis(20), queue_rows: 100, batch_rows: 40, retries: &[Duration::ZERO; 2] };

    /// Sink that records its batches, fails as often as it is told to, and blocks while it is held.
    #[derive(Clone, Default)]
    struct Memory {
        batches: Arc<Mutex<Vec<Vec<u32>>>>,
        began: Arc<Mutex<Vec<Instant>>>,
        failures: Arc<Mutex<u32>>,
        hold: Option<Arc<Notify>>,
    }

    impl Sink<u32> for Memory {
        fn name(&self) -> &'static str {
            "memory"
        }

        async fn store(&self, requests: &[Vec<u32>]) -> Result<(), Error> {
            self.began.lock().unwrap().push(Instant::now());
            if let Some(hold) = &self.hold {
                hold.notified().await;
            }
            let fails = {
                let mut failures = self.failures.lock().unwrap();
                let fails = *failures > 0;
                *failures = failures.saturating_sub(1);
                fails
            };
            if fails {
                return Err(Error::TimedOut);
            }
            self.batches.lock().unwrap().push(requests.concat());
            Ok(())
        }
    }

    impl Memory {
        fn rows(&self) -> Vec<u32> {
            let mut rows: Vec<u32> = self.batches.lock().unwrap().iter().flatten().copied().collect();
            rows.sort_unstable();
            rows
        }
    }

    #[tokio::test]
    async fn many_requests_share_few_inserts_and_none_is_answered_before_its_rows_are_stored() {
        let (memory, shutdown) = (Memory::default(), Shutdown::new());
        let writer = Writer::start(memory.clone(), PACE, &shutdown);
        let one = |row: u32| {
            let (writer, memory) = (&writer, &memory);
            async move {
                writer.write(vec![row]).await.unwrap();
                assert!(memory.rows().contains(&row), "row {row} was answered before it was stored");
            }
        };
        join_all((0..80).map(one)).await;
        assert_eq!(memory.rows(), (0..80).collect::<Vec<_>>());
        let batches = memory.batches.lock().unwrap().clone();
        assert!(batches.len() <= 4, "80 requests made {} INSERTs", batches.len());
        assert!(batches.iter().all(|batch| batch.len() <= 40));
        let began = memory.began.lock().unwrap().clone();
        assert!(began.windows(2).all(|pair| pair[1] - pair[0] >= PACE.interval), "INSERTs began too close together");
    }

    #[tokio::test]
    async fn a_batch_is_tried_again_and_stored_once() {
        let memory = Memory { failures: Arc::new(Mutex::new(2)), ..Memory::default() };
        let writer = Writer::start(memory.clone(), PACE, &Shutdown::new());
        writer.write(vec![1, 2]).await.unwrap();
        assert_eq!(memory.rows(), [1, 2]);
    }

    #[tokio::test]
    async fn after_the_last_try_the_request_is_refused_and_the_next_is_not() {
        let memory = Memory { failures: Arc::new(Mutex::new(3)), ..Memory::default() };
        let writer = Writer::start(memory.clone(), PACE, &Shutdown::new());
        assert!(matches!(writer.write(vec![1]).await, Err(WriteError::Failed(_))));
        writer.write(vec![2]).await.unwrap();
        assert_eq!(memory.rows(), [2]);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_rows() {
        let hold = Arc::new(Notify::new());
        let memory = Memory { hold: Some(Arc::clone(&hold)), ..Memory::default() };
        let writer = Arc::new(Writer::start(memory.clone(), PACE, &Shutdown::new()));
        let waiting = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move { writer.write((0..100).collect()).await }
        });
        while memory.began.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(writer.write(vec![100]).await, Err(WriteError::Full)));
        hold.notify_one();
        waiting.await.unwrap().unwrap();
        hold.notify_one();
        writer.write(vec![100]).await.unwrap();
    }

    #[tokio::test]
    async fn shutdown_stores_what_waits_and_refuses_what_comes() {
        let (memory, shutdown) = (Memory::default(), Shutdown::new());
        let slow = Pace { interval: Duration::from_hours(1), ..PACE };
        let writer = Arc::new(Writer::start(memory.clone(), slow, &shutdown));
        writer.write(vec![1]).await.unwrap();
        let waiting = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move { writer.write(vec![2]).await }
        });
        while writer.room.available_permits() == PACE.queue_rows {
            tokio::task::yield_now().await;
        }
        assert!(shutdown.drain(Duration::from_secs(5)).await);
        waiting.await.unwrap().unwrap();
        assert_eq!(memory.rows(), [1, 2]);
        assert!(matches!(writer.write(vec![3]).await, Err(WriteError::Stopped)));
    }
}
