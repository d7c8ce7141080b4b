//! Tells a job of this process that there is something to do.

use std::sync::Arc;

use tokio::sync::Notify;

/// Rings at the job that waits for it. Clones ring at the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// To be called after a commit.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }

    /// Resolves when it rings, or at once when it rang since.
    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}
