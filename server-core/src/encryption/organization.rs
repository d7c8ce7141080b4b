//! The data key of each organization: under it stands what people write in a clinic and no patient's record
//! holds.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use uuid::Uuid;

use super::{Encryption, Holder, NewKey, OpenKey, repository};
use crate::{
    database::{Across, DatabaseError, Tx, WriteTx},
    ids::OrganizationId,
};

/// Keys that are open at a time; some 200 bytes each.
const CAPACITY: u64 = 10_000;
/// For how long a key stays open that nobody asks for.
const IDLE: Duration = Duration::from_mins(10);
/// For how long a key stays open at all.
const TIME_TO_LIVE: Duration = Duration::from_hours(1);

/// Finds the keys of organizations, makes those that are missing, and keeps them open.
///
/// A key of a patient is read along with the patient and opened each time. An organization's would cost
/// each appointment a round trip; nothing else in memory is worth less to who could read it there, for
/// `ENCRYPTION_KEY` lies beside it. The key that is kept is the one under the values, which never changes:
/// rotation only wraps it anew.
#[derive(Clone)]
pub(crate) struct OrganizationKeys(Arc<Inner>);

struct Inner {
    across: Across,
    encryption: Arc<Encryption>,
    opened: Cache<OrganizationId, OpenKey>,
}

impl OrganizationKeys {
    /// Reads and makes keys on the owner's pool: no caller's context shows one.
    pub(crate) fn new(across: Across, encryption: Arc<Encryption>) -> Self {
        let opened = Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).time_to_live(TIME_TO_LIVE).build();
        Self(Arc::new(Inner { across, encryption, opened }))
    }

    /// Returns the key of `organization`, and makes it where there is none. To be called before a transaction
    /// is open, for it may take a connection of its own. Hundreds of callers who need the same key at once
    /// take one connection between them.
    pub(crate) async fn of(&self, organization: OrganizationId) -> Result<OpenKey, DatabaseError> {
        self.0.opened.try_get_with(organization, self.load(organization)).await.map_err(DatabaseError::Shared)
    }

    async fn load(&self, organization: OrganizationId) -> Result<OpenKey, DatabaseError> {
        let Inner { across, encryption, .. } = &*self.0;
        let mut stored = repository::organization_key_get(across.pool(), organization).await?;
        if stored.is_none() {
            let new = new_key(encryption, organization);
            repository::organization_key_create(across.pool(), organization, &new).await?;
            // Another process may have been first: the one that stands there counts.
            stored = repository::organization_key_get(across.pool(), organization).await?;
        }
        let Some(stored) = stored else {
            return Err(DatabaseError::Damaged(format!("organization {organization} has no data key")));
        };
        encryption.open(Holder::Record { organization, id: stored.id }, &stored.wrapped)
    }

    /// Gives an organization its key in the transaction that makes the organization.
    pub(crate) async fn create(&self, tx: &mut WriteTx, organization: OrganizationId) -> Result<(), DatabaseError> {
        let key = new_key(&self.0.encryption, organization);
        repository::organization_key_create(tx.connection()?, organization, &key).await
    }
}

fn new_key(encryption: &Encryption, organization: OrganizationId) -> NewKey {
    encryption.create(Holder::Record { organization, id: Uuid::now_v7() })
}
