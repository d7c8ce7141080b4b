//! Signs the head of each day once the day (UTC) is over.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use server_shared::{causes, shutdown::Shutdown};

use super::{repository, signer::HeadSigner};
use crate::{
    audit::chain,
    job,
    storage::{StoreError, postgres::Database},
};

/// Interval at which the job looks for days that are over. It polls because the database's clock decides, and
/// no other clock tells when its next day begins.
const LOOK_EVERY: Duration = Duration::from_mins(10);

/// Job that signs heads.
pub(crate) struct HeadJob {
    /// Database with the chains.
    pub database: Database,
    /// Key that signs.
    pub signer: Arc<HeadSigner>,
}

impl HeadJob {
    /// Signs the missing heads now, and each later head soon after midnight, until shutdown.
    pub(crate) fn start(self, shutdown: &Shutdown) {
        let heads = Arc::new(self);
        job::repeat(shutdown, "audit-heads", move || {
            let heads = Arc::clone(&heads);
            async move { heads.round().await }
        });
    }

    async fn round(&self) -> Result<Duration, StoreError> {
        let mut tx = self.database.work().await?;
        let organizations = chain::organizations_chained(&mut tx).await?;
        drop(tx);
        let (mut signed, mut failed) = (0, None);
        // A fault of one chain does not keep the others from getting their heads.
        for organization_id in organizations {
            match self.sign(organization_id).await {
                Ok(heads) => signed += heads,
                Err(error) => {
                    tracing::warn!(organization_id, error = causes(&error), "an audit head could not be signed");
                    failed = Some(error);
                }
            }
        }
        if signed > 0 {
            tracing::info!(signed, "heads of the audit trail signed");
        }
        failed.map_or(Ok(LOOK_EVERY), Err)
    }

    /// Signs the heads that an organization lacks, and returns their number.
    async fn sign(&self, organization_id: i64) -> Result<usize, StoreError> {
        let mut tx = self.database.work().await?;
        // With this lock, every sealer that began before midnight has ended, and later ones seal in the new day.
        chain::chain_lock(&mut tx, organization_id).await?;
        let days = chain::days_unsigned(&mut tx, organization_id).await?;
        for day in &days {
            let head = self.signer.sign(organization_id, *day, Utc::now()).map_err(StoreError::Sign)?;
            repository::head_add(&mut tx, &head).await?;
        }
        tx.commit().await?;
        Ok(days.len())
    }
}
