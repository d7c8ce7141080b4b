//! API keys, remembered in process as users are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{
    Scope,
    changes::Changes,
    remembered::{Remembered, Remembers},
    repository,
    secret::Secrets,
};
use crate::{
    database::DatabaseError,
    ids::{ApiKeyId, OrganizationId},
};

/// How often last uses are written.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// What a key lets its bearer do.
#[derive(Debug)]
pub(crate) struct ApiKeyGrant {
    /// The key.
    pub(crate) id: ApiKeyId,
    /// Whose it is; it is good nowhere else.
    pub(crate) organization: OrganizationId,
    /// What it may be used for.
    pub(crate) scopes: Vec<Scope>,
    /// When the secret that was sent stops being good.
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl ApiKeyGrant {
    /// Whether it is still good.
    pub(super) fn is_good(&self) -> bool {
        self.expires_at.is_none_or(|end| end > Utc::now())
    }
}

/// Finds and remembers keys by their secrets, and notes when they were used.
#[derive(Clone)]
pub(crate) struct ApiKeys(Arc<Inner>);

struct Inner {
    admin: PgPool,
    secrets: Arc<Secrets>,
    by_hash: Arc<Remembered<ApiKeyGrant>>,
    used: Mutex<HashMap<ApiKeyId, DateTime<Utc>>>,
}

impl ApiKeys {
    /// Loads from the owner's pool: which organization a key is for must be known before there is a
    /// context.
    pub(crate) fn new(admin: PgPool, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Inner { admin, secrets, by_hash: Arc::new(Remembered::new()), used: Mutex::default() }))
    }

    /// Has `changes` tell of keys that changed.
    pub(crate) fn hear(&self, changes: Changes) -> Changes {
        changes.tell("api_key", Arc::<Remembered<ApiKeyGrant>>::clone(&self.0.by_hash))
    }

    /// What a secret is good for; `None` if there is no such key, or no longer.
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
            let Some(grant) = repository::api_key_find(&inner.admin, &hash).await?.map(Arc::new) else {
                return Ok(None);
            };
            inner.by_hash.keep(begun, &remembered_by, &grant);
            grant
        };
        inner.used.lock().unwrap_or_else(PoisonError::into_inner).insert(grant.id, Utc::now());
        Ok(Some(grant))
    }

    /// Forgets every key, before the change that made it necessary is answered. Keys change seldom.
    pub(crate) fn invalidate(&self) {
        self.0.by_hash.forget_all();
    }

    /// Writes last uses until `stop`, then those that are left. An update a key and minute at most.
    pub(crate) async fn write_uses(self, stop: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(WRITE_EVERY) => false,
            };
            let used = std::mem::take(&mut *self.0.used.lock().unwrap_or_else(PoisonError::into_inner));
            if !used.is_empty()
                && let Err(error) = repository::api_key_uses_write(&self.0.admin, &used).await
            {
                // The next use says it again.
                tracing::warn!(?error, "last uses of API keys are not recorded");
            }
            if stopped {
                return;
            }
        }
    }
}
