//! Registry of the columns that hold wrapped data keys.

use server_shared::crypto::Binding;

/// Column of data keys wrapped by `ENCRYPTION_KEY`. Rotation finds the keys by this registry, and wrapping and
/// unwrapping take the binding from it, so the two can't disagree.
///
/// A null or empty value is a key that was destroyed, and stays so.
#[derive(Debug)]
pub(crate) struct WrappedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// SQL for the organization that the key is bound to; `0` for a key that belongs to none.
    pub(crate) organization: &'static str,
    /// SQL for the text that identifies the row; it is unique in the table.
    pub(crate) row: &'static str,
}

/// Keys of patients and organizations.
pub(super) const DATA_KEYS: WrappedColumn =
    WrappedColumn { table: "data_keys", column: "wrapped", organization: "organization_id", row: "id::text" };

/// Keys of users, which belong to no organization.
pub(super) const USER_KEYS: WrappedColumn =
    WrappedColumn { table: "users", column: "data_key_wrapped", organization: "0::bigint", row: "uid::text" };

/// Keys of answers that are kept for repeated requests.
pub(super) const ANSWER_KEYS: WrappedColumn = WrappedColumn {
    table: "idempotency_keys",
    column: "wrapped_key",
    organization: "organization_id",
    row: "id::text",
};

/// Keys of invitations; each is deleted with its row.
pub(super) const INVITATION_KEYS: WrappedColumn = WrappedColumn {
    table: "invitations",
    column: "data_key_wrapped",
    organization: "organization_id",
    row: "uid::text",
};

/// Every column of wrapped keys. Keys in a column that is missing here can't be opened any more once the old master key
/// is removed.
pub(crate) static WRAPPED: [WrappedColumn; 4] = [DATA_KEYS, USER_KEYS, INVITATION_KEYS, ANSWER_KEYS];

impl WrappedColumn {
    /// Returns the place that the key of one row is bound to.
    pub(crate) fn binding<'a>(&self, organization_id: i64, row: &'a str) -> Binding<'a> {
        Binding { organization_id, table: self.table, column: self.column, row }
    }
}

impl std::fmt::Display for WrappedColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}
