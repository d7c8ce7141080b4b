//! Watches the trail while it is stored.

use async_trait::async_trait;
use sqlx::{Postgres, Transaction};

use super::model::NewAuditEvent;

/// Looks at events of the trail in the transaction that stores them.
#[async_trait]
pub(crate) trait Watcher: Send + Sync {
    /// Looks at `new`, which this transaction has stored and none has before. Rows that it writes are committed
    /// with them, or not at all.
    ///
    /// # Errors
    /// When the database refuses; then none of the events is stored.
    async fn watch(&self, tx: &mut Transaction<'_, Postgres>, new: &[&NewAuditEvent]) -> Result<(), sqlx::Error>;
}
