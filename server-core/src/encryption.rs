//! What is encrypted at rest: a data key a record, values bound to where they stand.

mod backfill;
mod organization;
mod repository;
mod wrapped;

use server_shared::{
    crypto::{Binding, BlindIndex, DataKey, MasterKeys},
    mark::Phi,
};
use uuid::Uuid;

use crate::{config::EncryptionConfig, database::DatabaseError, ids::OrganizationId};

pub(crate) use backfill::texts_seal;
pub(crate) use organization::{OrganizationKey, OrganizationKeys};
use wrapped::{ANSWER_KEYS, DATA_KEYS, INVITATION_KEYS, USER_KEYS};
pub(crate) use wrapped::{WRAPPED, WrappedColumn};

/// Wraps data keys and makes blind indexes.
pub(crate) struct Encryption {
    master: MasterKeys,
    blind: BlindIndex,
}

/// A data key on its way into `data_keys`.
pub(crate) struct NewDataKey {
    pub(crate) id: Uuid,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) key: DataKey,
}

/// A data key on its way into the row whose own it is: a user's, or an invitation's.
pub(crate) struct NewRowKey {
    pub(crate) wrapped: Vec<u8>,
    pub(crate) key: DataKey,
}

/// The column of answers that are kept for repeated requests.
const ANSWER: &str = "answer";

/// What belongs to a person rather than to a clinic is bound to no organization.
pub(crate) const NO_ORGANIZATION: OrganizationId = OrganizationId(0);

impl Encryption {
    /// With the installation's keys.
    pub(crate) fn new(config: EncryptionConfig) -> Self {
        Self { master: config.master, blind: BlindIndex::new(config.blind_index) }
    }

    /// A new data key for a record of `organization`.
    pub(crate) fn create_key(&self, organization: OrganizationId) -> NewDataKey {
        let id = Uuid::now_v7();
        let row = id.to_string();
        let (key, wrapped) = self.master.generate_data_key(&DATA_KEYS.binding(organization.0, &row));
        NewDataKey { id, wrapped: wrapped.into_bytes(), key }
    }

    /// Opens a data key that was stored as `id`.
    pub(crate) fn open_key(
        &self,
        organization: OrganizationId,
        id: Uuid,
        wrapped: &[u8],
    ) -> Result<DataKey, DatabaseError> {
        let row = id.to_string();
        self.master
            .unwrap(wrapped, &DATA_KEYS.binding(organization.0, &row))
            .map_err(|error| DatabaseError::Damaged(format!("data key {id}: {error}")))
    }

    /// A new data key for the user `uid`.
    pub(crate) fn create_user_key(&self, uid: Uuid) -> NewRowKey {
        let row = uid.to_string();
        let (key, wrapped) = self.master.generate_data_key(&USER_KEYS.binding(NO_ORGANIZATION.0, &row));
        NewRowKey { wrapped: wrapped.into_bytes(), key }
    }

    /// Opens the data key of the user `uid`.
    pub(crate) fn open_user_key(&self, uid: Uuid, wrapped: &[u8]) -> Result<DataKey, DatabaseError> {
        let row = uid.to_string();
        self.master
            .unwrap(wrapped, &USER_KEYS.binding(NO_ORGANIZATION.0, &row))
            .map_err(|error| DatabaseError::Damaged(format!("data key of user {uid}: {error}")))
    }

    /// A new data key for the invitation `uid` of `organization`.
    pub(crate) fn create_invitation_key(&self, organization: OrganizationId, uid: Uuid) -> NewRowKey {
        let row = uid.to_string();
        let (key, wrapped) = self.master.generate_data_key(&INVITATION_KEYS.binding(organization.0, &row));
        NewRowKey { wrapped: wrapped.into_bytes(), key }
    }

    /// Opens the data key of the invitation `uid` of `organization`.
    pub(crate) fn open_invitation_key(
        &self,
        organization: OrganizationId,
        uid: Uuid,
        wrapped: &[u8],
    ) -> Result<DataKey, DatabaseError> {
        let row = uid.to_string();
        self.master
            .unwrap(wrapped, &INVITATION_KEYS.binding(organization.0, &row))
            .map_err(|error| DatabaseError::Damaged(format!("data key of invitation {uid}: {error}")))
    }

    /// Seals an answer under a data key of its own: the wrapped key and the ciphertext.
    pub(crate) fn seal_answer(&self, organization: i64, id: Uuid, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let row = id.to_string();
        let place = ANSWER_KEYS.binding(organization, &row);
        let (key, wrapped) = self.master.generate_data_key(&place);
        (wrapped.into_bytes(), key.seal(plain, &Binding { column: ANSWER, ..place }))
    }

    /// Opens what [`Encryption::seal_answer`] sealed.
    pub(crate) fn open_answer(
        &self,
        organization: i64,
        id: Uuid,
        (wrapped, sealed): (&[u8], &[u8]),
    ) -> Result<Vec<u8>, DatabaseError> {
        let row = id.to_string();
        let place = ANSWER_KEYS.binding(organization, &row);
        let key = self.master.unwrap(wrapped, &place);
        key.and_then(|key| key.open(sealed, &Binding { column: ANSWER, ..place }))
            .map_err(|error| DatabaseError::Damaged(format!("answer {id}: {error}")))
    }

    /// The keyed hash under which a normalized value can be found.
    pub(crate) fn index(&self, organization: OrganizationId, column: &str, normalized: &str) -> Vec<u8> {
        self.blind.of(organization.0, column, normalized).to_vec()
    }
}

/// Seals and opens the values of one row.
pub(crate) struct RowCipher<'a> {
    key: &'a DataKey,
    organization: OrganizationId,
    table: &'static str,
    row: String,
}

impl<'a> RowCipher<'a> {
    /// For the row of `table` that is called `uid`.
    pub(crate) fn new(key: &'a DataKey, organization: OrganizationId, table: &'static str, uid: Uuid) -> Self {
        Self { key, organization, table, row: uid.to_string() }
    }

    /// Seals a value for `column`.
    pub(crate) fn seal(&self, column: &str, value: Option<&str>) -> Option<Vec<u8>> {
        value.map(|value| self.key.seal_text(value, &self.binding(column)))
    }

    /// Opens what stands in `column`; what is sealed is protected.
    pub(crate) fn open(&self, column: &str, sealed: Option<&[u8]>) -> Result<Option<Phi<String>>, DatabaseError> {
        sealed
            .map(|sealed| self.key.open_text(sealed, &self.binding(column)).map(Phi::from))
            .transpose()
            .map_err(|error| DatabaseError::Damaged(format!("{}.{column} of {}: {error}", self.table, self.row)))
    }

    fn binding<'b>(&'b self, column: &'b str) -> Binding<'b> {
        Binding { organization_id: self.organization.0, table: self.table, column, row: &self.row }
    }
}
