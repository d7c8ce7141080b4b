//! Blind indexes of the e-mail addresses of users and invitations, which belong to no organization, and their refresh.

use server_shared::value::EmailAddress;
use uuid::Uuid;

use super::{
    Encryption, Holder, IndexedTable, IndexesRefreshed, NO_ORGANIZATION, indexes_refresh,
    repository::{self, AddressRow},
};
use crate::{
    database::{Across, DatabaseError},
    ids::OrganizationId,
};

/// Name that sealed addresses and their indexes are bound to.
const EMAIL: &str = "email";

/// Table with sealed e-mail addresses and their blind indexes. It has `id`, `uid`, `data_key_wrapped`,
/// `email_encrypted`, `email_index` and `indexes_version`.
#[derive(Debug)]
pub(crate) struct AddressTable {
    pub(crate) table: &'static str,
    /// SQL for the organization of a row; `0` for a row that belongs to none.
    pub(super) organization: &'static str,
    /// Returns the holder of a row's key.
    holder: fn(OrganizationId, Uuid) -> Holder,
}

/// Every such table.
pub(crate) static ADDRESS_TABLES: &[AddressTable] = &[
    AddressTable { table: "users", organization: "0::bigint", holder: |_, uid| Holder::User { uid } },
    AddressTable {
        table: "invitations",
        organization: "organization_id",
        holder: |organization, uid| Holder::Invitation { organization, uid },
    },
];

impl Encryption {
    /// Returns the blind index of the e-mail address of a user or an invitation.
    pub(crate) fn address_index(&self, address: &str) -> Vec<u8> {
        self.index(NO_ORGANIZATION, EMAIL, &EmailAddress::key_of(address))
    }
}

/// Counts the rows whose indexes are left to be made.
pub(crate) async fn addresses_left(across: &Across, table: &AddressTable) -> Result<i64, DatabaseError> {
    repository::addresses_left(across, table).await
}

/// Brings the indexes of a table's addresses into the present form; calls `progress` with the number of rows written so
/// far.
pub(crate) async fn addresses_refresh(
    across: &Across,
    table: &AddressTable,
    encryption: &Encryption,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<IndexesRefreshed, DatabaseError> {
    if !repository::is_address_left(across, table).await? {
        return Ok(IndexesRefreshed::default());
    }
    indexes_refresh(table, across, encryption, progress).await
}

/// Walks from the newest row to the oldest, so that of two equal pending invitations the older one keeps its old index.
impl IndexedTable for AddressTable {
    type Row = AddressRow;

    fn name(&self) -> &'static str {
        self.table
    }

    fn id(row: &AddressRow) -> i64 {
        row.id
    }

    async fn page(&self, across: &Across, last: Option<i64>, limit: i64) -> Result<Vec<AddressRow>, DatabaseError> {
        repository::addresses_page(across, self, last, limit).await
    }

    fn index(&self, encryption: &Encryption, row: &mut AddressRow) -> Result<(), DatabaseError> {
        let holder = (self.holder)(row.organization_id, row.uid);
        let key = encryption.open(holder, row.data_key_wrapped.as_deref().unwrap_or_default())?;
        let address = key.row(self.table, row.uid).open(EMAIL, row.email_encrypted.as_deref())?;
        let address = address.ok_or_else(|| DatabaseError::Damaged("an indexed address is missing".to_owned()))?;
        row.index = encryption.address_index(address.get());
        Ok(())
    }

    fn email_indexes(row: &AddressRow) -> (Option<&[u8]>, Option<&[u8]>) {
        (Some(&row.email_index), Some(&row.index))
    }

    fn keep(row: &mut AddressRow) {
        row.index.clone_from(&row.email_index);
    }

    async fn write(&self, across: &Across, rows: &[AddressRow]) -> Result<Option<u64>, DatabaseError> {
        repository::addresses_replace(across, self, rows).await
    }

    async fn settle(&self, across: &Across, rows: &[AddressRow]) -> Result<Vec<i64>, DatabaseError> {
        repository::addresses_settle(across, self, rows).await
    }
}
