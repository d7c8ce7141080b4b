//! Work that is done again and again until the service stops.

use std::time::Duration;

use server_shared::shutdown::Shutdown;

use crate::storage::StoreError;

/// How soon work that failed is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(5);

/// Does `work` now and after each pause that it asks for. What fails is tried again soon: everything
/// that runs here takes up where it left off.
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
