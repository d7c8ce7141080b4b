//! Cache of API keys.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::repository;
use crate::{
    database::{Across, DatabaseError},
    identity::{ApiKeyGrant, Listeners, Secrets},
    ids::ApiKeyId,
    remembered::Remembered,
};

/// Interval at which last uses are written.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// Finds and caches keys by their secrets, and notes their last use.
#[derive(Clone)]
pub(crate) struct ApiKeys(Arc<Inner>);

struct Inner {
    across: Across,
    secrets: Arc<Secrets>,
    by_hash: Arc<Remembered<ApiKeyGrant>>,
    used: Mutex<HashMap<ApiKeyId, DateTime<Utc>>>,
}

impl ApiKeys {
    /// Loads from the owner's pool, because the organization of a key is needed to make a context.
    pub(crate) fn new(across: Across, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Inner { across, secrets, by_hash: Arc::new(Remembered::new()), used: Mutex::default() }))
    }

    /// Registers the cache with `listeners`, which report changed keys.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("api_key", Arc::<Remembered<ApiKeyGrant>>::clone(&self.0.by_hash));
    }

    /// Returns the grant of a secret; `None` if there is no such key, or it was revoked.
    pub(super) async fn find(&self, secret: &str) -> Result<Option<Arc<ApiKeyGrant>>, DatabaseError> {
        let inner = &self.0;
        if !inner.secrets.claims(secret) {
            return Ok(None);
        }
        let hash = inner.secrets.hash(secret);
        let remembered_by = hex::encode(&hash);
        let grant = if let Some(grant) = inner.by_hash.get(&remembered_by) {
            grant
        } else {
            let begun = inner.by_hash.begin();
            let Some(grant) = repository::api_key_find(&inner.across, &hash).await?.map(Arc::new) else {
                return Ok(None);
            };
            inner.by_hash.keep(begun, &remembered_by, &grant);
            grant
        };
        inner.used.lock().unwrap_or_else(PoisonError::into_inner).insert(grant.id, Utc::now());
        Ok(Some(grant))
    }

    /// Writes last uses until `stop`, then those that are left; at most one update for each key and minute.
    pub(crate) async fn write_uses(self, stop: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(WRITE_EVERY) => false,
            };
            let used = std::mem::take(&mut *self.0.used.lock().unwrap_or_else(PoisonError::into_inner));
            if !used.is_empty()
                && let Err(error) = repository::api_key_uses_write(&self.0.across, &used).await
            {
                // The next use is recorded again.
                tracing::warn!(?error, "last uses of API keys are not recorded");
            }
            if stopped {
                return;
            }
        }
    }
}
