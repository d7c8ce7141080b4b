//! Interface of modules that derive data from audit events while these are stored.

use async_trait::async_trait;
use sqlx::{Postgres, Transaction};

use super::model::NewAuditEvent;

/// Sees audit events in the transaction that stores them.
#[async_trait]
pub(crate) trait Watcher: Send + Sync {
    /// Handles `new`, the events that this transaction is the first to store. Rows that it writes commit or roll
    /// back with them.
    ///
    /// # Errors
    ///
    /// If the database refuses; then none of the events is stored.
    async fn watch(&self, tx: &mut Transaction<'_, Postgres>, new: &[&NewAuditEvent]) -> Result<(), sqlx::Error>;
}
