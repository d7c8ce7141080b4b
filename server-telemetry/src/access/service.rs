//! Service for revocations of tokens.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::shutdown::Shutdown;

use super::{
    TOKEN_AGE,
    error::AccessError,
    heard::Heard,
    listener,
    model::{AccessRevocation, NewAccessRevocation},
    repository::AccessRepository,
};
use crate::{
    job,
    storage::{StoreError, postgres::Database},
};

/// Longest lead of Core's clock over this service's.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Time for which a revocation is kept beyond the life of a token, for clocks that differ.
const MARGIN: Duration = Duration::from_mins(10);
/// Interval at which revocations that no longer matter are deleted.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// Stores revocations, and looks them up for requests.
pub(crate) struct AccessService {
    pub(super) repository: AccessRepository,
    pub(super) heard: Heard,
}

impl AccessService {
    /// Makes a service on this database. It queries the database for each request until [`AccessService::start`]
    /// receives notifications.
    pub(crate) fn new(database: Database) -> Self {
        Self { repository: AccessRepository { database }, heard: Heard::default() }
    }

    /// Starts to receive the revocations of other processes, and to delete the expired ones.
    pub(crate) fn start(self: &Arc<Self>, shutdown: &Shutdown) {
        listener::start(Arc::clone(self), shutdown);
        let access = Arc::clone(self);
        job::repeat(shutdown, "access-sweep", move || {
            let access = Arc::clone(&access);
            async move {
                access.heard.sweep(Utc::now());
                access.repository.sweep().await?;
                Ok(SWEEP_EVERY)
            }
        });
    }

    /// Revokes tokens. When this returns, this process refuses them; every other one does within a second.
    pub(super) async fn revoke(&self, new: &NewAccessRevocation) -> Result<AccessRevocation, AccessError> {
        if new.not_before.get() > Utc::now() + AHEAD {
            return Err(AccessError::TooFarAhead);
        }
        let revocation = self.repository.put(new, TOKEN_AGE + MARGIN).await.map_err(StoreError::from)?;
        self.heard.note(&revocation);
        Ok(revocation)
    }

    /// Returns `true` if a token of this user, for this organization or for none, issued at `issued_at`, has been
    /// revoked.
    pub(crate) async fn is_revoked(
        &self,
        user_id: i64,
        organization_id: Option<i64>,
        issued_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        match self.heard.is_revoked(user_id, organization_id, issued_at) {
            Some(revoked) => Ok(revoked),
            None => Ok(self.repository.is_revoked(user_id, organization_id, issued_at).await?),
        }
    }
}
