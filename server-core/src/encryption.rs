//! Encryption at rest: each record has a data key, and each value is bound to its place in the database.
//!
//! Every domain uses the same calls: [`Encryption::create`] makes the key of a new [`Holder`], [`Encryption::open`]
//! opens a key that was read with its row, and [`OrganizationKeys::of`] finds the key of an organization. Each returns
//! an [`OpenKey`], and only [`OpenKey::row`] seals and opens values.

mod addresses;
mod backfill;
mod holder;
mod indexes;
mod organization;
mod repository;
mod row;
mod wrapped;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use server_shared::crypto::{BlindIndex, CryptoError, MasterKeys};
use uuid::Uuid;

use crate::{config::EncryptionConfig, database::DatabaseError, ids::OrganizationId};

pub(crate) use addresses::{ADDRESS_TABLES, addresses_left, addresses_refresh};
pub(crate) use backfill::texts_seal;
pub(crate) use holder::Holder;
pub(crate) use indexes::{INDEXES_VERSION, IndexedTable, IndexesRefreshed, indexes_refresh};
pub(crate) use organization::OrganizationKeys;
pub(crate) use row::OpenKey;
pub(crate) use wrapped::{WRAPPED, WrappedColumn};

/// Wraps data keys and computes blind indexes.
pub(crate) struct Encryption {
    master: MasterKeys,
    blind: BlindIndex,
}

/// New data key that is about to be stored.
pub(crate) struct NewKey {
    /// Id of the row that holds it.
    pub(crate) id: Uuid,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) key: OpenKey,
}

/// Table and column of the answers that are kept for repeated requests.
const ANSWERS: (&str, &str) = ("idempotency_keys", "answer");

/// Organization of data that belongs to a person rather than to a clinic.
pub(crate) const NO_ORGANIZATION: OrganizationId = OrganizationId(0);

impl Encryption {
    /// Builds the encryption with the installation's keys.
    pub(crate) fn new(config: EncryptionConfig) -> Self {
        Self { master: config.master, blind: BlindIndex::new(config.blind_index) }
    }

    /// Generates the data key of a new holder. Store the wrapped form in the holder's row, in the transaction that
    /// stores the sealed values.
    pub(crate) fn create(&self, holder: Holder) -> NewKey {
        let row = holder.id().to_string();
        let (key, wrapped) = self.master.generate_data_key(&holder.binding(&row));
        let key = OpenKey::new(holder.organization(), Arc::new(key));
        NewKey { id: holder.id(), wrapped: wrapped.into_bytes(), key }
    }

    /// Opens the data key of a holder, as its row holds it. Opening takes about ten microseconds, so nobody needs to
    /// cache keys: read the wrapped key in the query that reads the sealed values.
    pub(crate) fn open(&self, holder: Holder, wrapped: &[u8]) -> Result<OpenKey, DatabaseError> {
        let row = holder.id().to_string();
        let key = self.master.unwrap(wrapped, &holder.binding(&row)).map_err(|error| {
            let what = format!("data key of {holder}: {error}");
            match error {
                CryptoError::UnknownKey(_) => DatabaseError::KeyMissing(what),
                _ => DatabaseError::Damaged(what),
            }
        })?;
        Ok(OpenKey::new(holder.organization(), Arc::new(key)))
    }

    /// Seals an answer under a data key of its own; returns the wrapped key and the ciphertext.
    pub(crate) fn seal_answer(&self, organization: i64, id: Uuid, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (table, column) = ANSWERS;
        let new = self.create(Holder::Answer { organization: OrganizationId(organization), id });
        let sealed = new.key.row(table, id).seal_bytes(column, plain);
        (new.wrapped, sealed)
    }

    /// Opens what [`Encryption::seal_answer`] sealed.
    pub(crate) fn open_answer(
        &self,
        organization: i64,
        id: Uuid,
        (wrapped, sealed): (&[u8], &[u8]),
    ) -> Result<Vec<u8>, DatabaseError> {
        let (table, column) = ANSWERS;
        let key = self.open(Holder::Answer { organization: OrganizationId(organization), id }, wrapped)?;
        key.row(table, id).open_bytes(column, sealed)
    }

    /// Returns the keyed hash by which a normalized value can be looked up.
    pub(crate) fn index(&self, organization: OrganizationId, column: &str, normalized: &str) -> Vec<u8> {
        self.blind.of(organization.0, column, normalized).to_vec()
    }
}
