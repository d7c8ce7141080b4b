//! Deletes the sightings that no rule needs any more, and the security events of dropped months of the trail.

use std::{sync::Arc, time::Duration};

use server_shared::shutdown::Shutdown;

use super::repository;
use crate::{
    job,
    storage::{StoreError, postgres::Database},
};

/// Interval between two rounds.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// Time for which a sighting is kept beyond the longest window: events that arrive late may be stored over a
/// time as long as the window.
const GRACE: Duration = Duration::from_hours(1);

/// Job that deletes old rows.
pub(crate) struct SweepJob {
    /// Database with sightings and security events.
    pub database: Database,
    /// Longest window of the rules.
    pub window: Duration,
    /// Number of whole months of the trail that are kept beside the current one; `None` keeps all of them.
    pub kept: Option<u16>,
}

impl SweepJob {
    /// Deletes old rows now and hourly, until shutdown.
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
