//! Periodic work that runs until shutdown.

use std::time::Duration;

use server_shared::shutdown::Shutdown;

use crate::storage::StoreError;

/// Pause before failed work is retried.
pub(crate) const RETRY: Duration = Duration::from_secs(5);

/// Runs `work` now, and again after each pause that it returns. Retries soon after a failure: all work that
/// runs here resumes at the point where it stopped.
pub(crate) fn repeat<W, F>(shutdown: &Shutdown, name: &'static str, work: W)
where
    W: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Duration, StoreError>> + Send,
{
    shutdown.spawn(name, |stop| async move {
        while !stop.is_cancelled() {
            let pause = work().await.unwrap_or_else(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(job = name, %error, cause, retry_in_ms = RETRY.as_millis(), "a job failed");
                RETRY
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    });
}
