//! Stopping in order: the HTTP server drains first, then the background jobs.
//!
//! ```no_run
//! # async fn serve_until(_: impl Future<Output = ()>) {}
//! # async fn example() {
//! use server_shared::shutdown::{self, Shutdown};
//! use std::time::Duration;
//!
//! let shutdown = Shutdown::new();
//! shutdown.spawn("outbox", |stop| async move { stop.cancelled().await });
//! serve_until(shutdown::signal()).await; // returns when the last request is answered
//! shutdown.drain(Duration::from_secs(10)).await;
//! # }
//! ```

use std::future::pending;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Resolves when the process receives SIGTERM (from an orchestrator) or SIGINT (Ctrl-C).
///
/// The handlers are in place when this returns, not when the future is first polled, so that a signal
/// during the start isn't lost.
///
/// # Panics
/// Outside a tokio runtime.
pub fn signal() -> impl Future<Output = ()> + Send + 'static {
    let mut terminate = listen(SignalKind::terminate(), "SIGTERM");
    let mut interrupt = listen(SignalKind::interrupt(), "SIGINT");
    async move {
        let name = tokio::select! {
            () = received(&mut terminate) => "SIGTERM",
            () = received(&mut interrupt) => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    }
}

fn listen(kind: SignalKind, name: &str) -> Option<Signal> {
    tokio::signal::unix::signal(kind)
        .inspect_err(|error| tracing::error!(signal = name, %error, "the signal can't be received"))
        .ok()
}

async fn received(signal: &mut Option<Signal>) {
    let told = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if told.is_none() {
        // This signal can't be received; the other one may.
        pending::<()>().await;
    }
}

/// The background jobs of a process and the means to stop them. Clones share the same jobs.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Makes a shutdown without jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the token that is cancelled to stop the jobs.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Returns the tracker of the jobs.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Starts a job, which must stop soon after its token is cancelled.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: &'static str, job: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (job, stop) = (job(self.token()), self.token());
        self.tasks.spawn(async move {
            job.await;
            if !stop.is_cancelled() {
                tracing::warn!(job = name, "a background job ended before it was told to");
            }
        });
    }

    /// Tells every job to stop.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Tells every job to stop and waits for them, at most `within`. Returns true if all have stopped.
    pub async fn drain(&self, within: Duration) -> bool {
        self.trigger();
        self.tasks.close();
        let drained = tokio::time::timeout(within, self.tasks.wait()).await.is_ok();
        if !drained {
            tracing::warn!(running = self.tasks.len(), "background jobs did not stop in time");
        }
        drained
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn drain_waits_for_jobs_to_finish_their_work() {
        let shutdown = Shutdown::new();
        let finished = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&finished);
        shutdown.spawn("job", |stop| async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            done.store(true, Ordering::SeqCst);
        });
        assert!(!finished.load(Ordering::SeqCst));
        assert!(shutdown.drain(Duration::from_secs(5)).await);
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn drain_gives_up_on_a_job_that_hangs() {
        let shutdown = Shutdown::new();
        shutdown.spawn("hang", |_| pending());
        assert!(!shutdown.drain(Duration::from_millis(20)).await);
    }
}
