//! Sealing and opening of the values of a row under an open data key.

use std::sync::Arc;

use server_shared::{
    crypto::{Binding, CryptoError, DataKey},
    mark::Phi,
};
use uuid::Uuid;

use crate::{database::DatabaseError, ids::OrganizationId};

/// Open data key, and the organization that its values are bound to.
#[derive(Debug, Clone)]
pub(crate) struct OpenKey {
    organization: OrganizationId,
    key: Arc<DataKey>,
}

impl OpenKey {
    pub(super) fn new(organization: OrganizationId, key: Arc<DataKey>) -> Self {
        Self { organization, key }
    }

    /// Returns the cipher for the values of the row of `table` with this `uid`.
    pub(crate) fn row(&self, table: &'static str, uid: Uuid) -> RowCipher<'_> {
        RowCipher { key: &self.key, organization: self.organization, table, row: uid.to_string() }
    }
}

/// Cipher that seals and opens the values of one row.
pub(crate) struct RowCipher<'a> {
    key: &'a DataKey,
    organization: OrganizationId,
    table: &'static str,
    row: String,
}

impl RowCipher<'_> {
    /// Seals a value for `column`.
    pub(crate) fn seal(&self, column: &str, value: Option<&str>) -> Option<Vec<u8>> {
        value.map(|value| self.key.seal_text(value, &self.binding(column)))
    }

    /// Opens the sealed value of `column`, which is protected health information.
    pub(crate) fn open(&self, column: &str, sealed: Option<&[u8]>) -> Result<Option<Phi<String>>, DatabaseError> {
        let opened = sealed.map(|sealed| self.key.open_text(sealed, &self.binding(column)).map(Phi::from));
        opened.transpose().map_err(|error| self.damaged(column, error))
    }

    /// Seals bytes for `column`.
    pub(super) fn seal_bytes(&self, column: &str, value: &[u8]) -> Vec<u8> {
        self.key.seal(value, &self.binding(column))
    }

    /// Opens the sealed bytes of `column`.
    pub(super) fn open_bytes(&self, column: &str, sealed: &[u8]) -> Result<Vec<u8>, DatabaseError> {
        self.key.open(sealed, &self.binding(column)).map_err(|error| self.damaged(column, error))
    }

    fn damaged(&self, column: &str, error: CryptoError) -> DatabaseError {
        DatabaseError::Damaged(format!("{}.{column} of {}: {error}", self.table, self.row))
    }

    fn binding<'b>(&'b self, column: &'b str) -> Binding<'b> {
        Binding { organization_id: self.organization.0, table: self.table, column, row: &self.row }
    }
}
