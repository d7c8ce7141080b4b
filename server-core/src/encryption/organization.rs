//! Data keys of organizations. They seal texts that people write in a clinic and that belong to no patient's record.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use uuid::Uuid;

use super::{Encryption, Holder, NewKey, OpenKey, repository};
use crate::{
    database::{Across, DatabaseError, Tx, WriteTx},
    ids::OrganizationId,
};

/// Largest number of open keys; some 200 bytes each.
const CAPACITY: u64 = 10_000;
/// Time for which an unused key stays open.
const IDLE: Duration = Duration::from_mins(10);
/// Longest time for which a key stays open.
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// Finds the keys of organizations, generates missing ones, and keeps them open in memory.
///
/// A patient's key is read with the patient and opened each time. Reading an organization's key that way would cost
/// each appointment a round trip. Keeping it in memory adds little risk, because `ENCRYPTION_KEY` is in the same
/// memory. The key kept is the one under the values, which never changes: rotation only wraps it with another key.
#[derive(Clone)]
pub(crate) struct OrganizationKeys(Arc<Inner>);

struct Inner {
    across: Across,
    encryption: Arc<Encryption>,
    opened: Cache<OrganizationId, OpenKey>,
}

impl OrganizationKeys {
    /// Builds an empty cache of keys. It uses the owner's pool, because no caller's context shows a key.
    pub(crate) fn new(across: Across, encryption: Arc<Encryption>) -> Self {
        let opened = Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).time_to_live(TIME_TO_LIVE).build();
        Self(Arc::new(Inner { across, encryption, opened }))
    }

    /// Returns the key of `organization`, and generates it if there is none. Call it before a transaction is open,
    /// because it may need a connection of its own. Concurrent callers that need the same key share one connection.
    pub(crate) async fn of(&self, organization: OrganizationId) -> Result<OpenKey, DatabaseError> {
        self.0.opened.try_get_with(organization, self.load(organization)).await.map_err(DatabaseError::Shared)
    }

    async fn load(&self, organization: OrganizationId) -> Result<OpenKey, DatabaseError> {
        let Inner { across, encryption, .. } = &*self.0;
        let mut stored = repository::organization_key_get(across.pool(), organization).await?;
        if stored.is_none() {
            let new = new_key(encryption, organization);
            repository::organization_key_create(across.pool(), organization, &new).await?;
            // Another process may have been first: the stored key counts.
            stored = repository::organization_key_get(across.pool(), organization).await?;
        }
        let Some(stored) = stored else {
            return Err(DatabaseError::Damaged(format!("organization {organization} has no data key")));
        };
        encryption.open(Holder::Record { organization, id: stored.id }, &stored.wrapped)
    }

    /// Creates the key of an organization in the transaction that creates the organization.
    pub(crate) async fn create(&self, tx: &mut WriteTx, organization: OrganizationId) -> Result<(), DatabaseError> {
        let key = new_key(&self.0.encryption, organization);
        repository::organization_key_create(tx.connection()?, organization, &key).await
    }
}

fn new_key(encryption: &Encryption, organization: OrganizationId) -> NewKey {
    encryption.create(Holder::Record { organization, id: Uuid::now_v7() })
}
