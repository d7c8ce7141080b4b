//! Maintains the monthly partitions of the trail: creates those of the coming months and drops those that have
//! expired.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;
use server_shared::{causes, shutdown::Shutdown};

use super::repository;
use crate::{
    job,
    storage::{StoreError, postgres::Database},
};

/// Interval between two rounds.
const LOOK_EVERY: Duration = Duration::from_hours(24);

/// Job that maintains the partitions.
pub(crate) struct PartitionJob {
    /// Database with the trail.
    pub database: Database,
    /// Number of whole months that are kept beside the current one; `None` keeps all of them.
    pub kept: Option<u16>,
}

impl PartitionJob {
    /// Maintains the partitions now and daily, until shutdown.
    pub(crate) fn start(self, shutdown: &Shutdown) {
        let partitions = Arc::new(self);
        job::repeat(shutdown, "audit-partitions", move || {
            let partitions = Arc::clone(&partitions);
            async move { partitions.round().await }
        });
    }

    async fn round(&self) -> Result<Duration, StoreError> {
        let mut tx = self.database.work().await?;
        let made = repository::partitions_ensure(&mut tx).await?;
        tx.commit().await?;
        if made > 0 {
            tracing::info!(made, "partitions of the audit trail created");
        }
        if let Some(kept) = self.kept {
            self.expire(kept).await?;
        }
        Ok(LOOK_EVERY)
    }

    /// Drops the months that have expired and whose heads are signed. If one month cannot be dropped, goes on with
    /// the next: a retry a day later is soon enough, and while the database tries, ingest may have to wait.
    async fn expire(&self, kept: u16) -> Result<(), StoreError> {
        let mut tx = self.database.work().await?;
        let months = repository::partitions_expired(&mut tx, kept.into()).await?;
        drop(tx);
        for month in months {
            match self.drop_month(month).await {
                Ok(true) => tracing::info!(%month, "a month of the audit trail was dropped"),
                Ok(false) => tracing::warn!(%month, "a month of the audit trail is kept because it is not signed yet"),
                Err(error) => {
                    tracing::warn!(%month, error = causes(&error), "a month of the audit trail could not be dropped");
                }
            }
        }
        let mut tx = self.database.work().await?;
        let removed = repository::remains_drop(&mut tx, kept.into()).await?;
        tx.commit().await?;
        if removed > 0 {
            tracing::info!(removed, "links and personal values of dropped months removed");
        }
        Ok(())
    }

    async fn drop_month(&self, month: NaiveDate) -> Result<bool, StoreError> {
        let mut tx = self.database.work().await?;
        let dropped = repository::partition_drop(&mut tx, month).await?;
        tx.commit().await?;
        Ok(dropped)
    }
}
