//! In-memory wake-up of a task of this process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Handle that wakes the task that waits for it. Clones wake the same task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the task. Call it after a commit.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until [`Wake::wake`] is called; returns at once if it was called since the last wait.
    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}
