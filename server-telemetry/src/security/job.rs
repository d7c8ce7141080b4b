//! Removes what no rule needs any more, and security events of dropped months of the trail.

use std::{sync::Arc, time::Duration};

use server_shared::shutdown::Shutdown;

use super::repository;
use crate::{
    job,
    storage::{StoreError, postgres::Database},
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// How much longer than the longest window a sighting is kept: a window of events that come late may be
/// stored over as long.
const GRACE: Duration = Duration::from_hours(1);

/// The job.
pub(crate) struct SweepJob {
    /// Where they are.
    pub database: Database,
    /// The longest window of the rules.
    pub window: Duration,
    /// Whole months of the trail that are kept beside the present one; none keeps all of them.
    pub kept: Option<u16>,
}

impl SweepJob {
    /// Sweeps now and hourly, until shutdown.
    pub(crate) fn start(self, shutdown: &Shutdown) {
        let sweep = Arc::new(self);
        job::repeat(shutdown, "security-sweep", move || {
            let sweep = Arc::clone(&sweep);
            async move { sweep.round().await }
        });
    }

    async fn round(&self) -> Result<Duration, StoreError> {
        let kept_seconds = i64::try_from((self.window + GRACE).as_secs()).unwrap_or(i64::MAX);
        let mut tx = self.database.work().await?;
        repository::sightings_sweep(&mut tx, kept_seconds).await?;
        if let Some(months) = self.kept {
            repository::events_sweep(&mut tx, months.into()).await?;
        }
        tx.commit().await?;
        Ok(LOOK_EVERY)
    }
}
