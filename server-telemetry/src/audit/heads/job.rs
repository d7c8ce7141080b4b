//! Signs the head of each day once the day (UTC) is over.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::shutdown::Shutdown;

use super::{repository, signer::HeadSigner};
use crate::{
    audit::chain,
    job,
    storage::{StoreError, postgres::Database},
};

/// How long after midnight it looks for what became of the day before.
const AFTER_MIDNIGHT: TimeDelta = TimeDelta::seconds(5);

/// The job that signs.
pub(crate) struct HeadJob {
    /// Where the chains are.
    pub database: Database,
    /// With what.
    pub signer: Arc<HeadSigner>,
}

impl HeadJob {
    /// Signs until shutdown: now what is missing, then after each midnight.
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
        let mut signed = 0;
        for organization_id in organizations {
            signed += self.sign(organization_id).await?;
        }
        if signed > 0 {
            tracing::info!(signed, "heads of the audit trail signed");
        }
        Ok(until_next(Utc::now()))
    }

    /// Signs the heads that an organization lacks; says how many.
    async fn sign(&self, organization_id: i64) -> Result<usize, StoreError> {
        let mut tx = self.database.work().await?;
        // A sealer that began before midnight has ended once this is ours, and those that follow seal
        // in the new day.
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

/// How long until the next day has begun.
fn until_next(now: DateTime<Utc>) -> Duration {
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    (midnight + AFTER_MIDNIGHT - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_again_after_midnight() {
        let now = DateTime::from_timestamp(1_762_732_799, 0).unwrap();
        assert_eq!(until_next(now), Duration::from_secs(6));
        assert_eq!(until_next(now + TimeDelta::seconds(1)), Duration::from_secs(86_405));
    }
}
