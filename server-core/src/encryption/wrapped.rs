//! Where data keys stand wrapped.

use server_shared::crypto::Binding;

/// A column of data keys, wrapped by `ENCRYPTION_KEY`. Rotation finds them by it; and since whoever
/// wraps and unwraps takes the binding from here too, the two can't disagree.
///
/// A value that is null or empty is a key that was destroyed, and stays so.
#[derive(Debug)]
pub(crate) struct WrappedColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// SQL for the organization that the key is bound to: `0` for what belongs to none.
    pub(crate) organization: &'static str,
    /// SQL for the text that names the row; no two rows of the table have the same.
    pub(crate) row: &'static str,
}

/// The keys of patients and organizations.
pub(super) const DATA_KEYS: WrappedColumn =
    WrappedColumn { table: "data_keys", column: "wrapped", organization: "organization_id", row: "id::text" };

/// The keys of users, who belong to no organization.
pub(super) const USER_KEYS: WrappedColumn =
    WrappedColumn { table: "users", column: "data_key_wrapped", organization: "0::bigint", row: "uid::text" };

/// The keys of answers that are kept for repeated requests.
pub(super) const ANSWER_KEYS: WrappedColumn = WrappedColumn {
    table: "idempotency_keys",
    column: "wrapped_key",
    organization: "organization_id",
    row: "id::text",
};

/// The keys of invitations, each its own: it ends with its row.
pub(super) const INVITATION_KEYS: WrappedColumn = WrappedColumn {
    table: "invitations",
    column: "data_key_wrapped",
    organization: "organization_id",
    row: "uid::text",
};

/// Every such column: what is not here can't be opened any more once the old key is withdrawn.
pub(crate) static WRAPPED: [WrappedColumn; 4] = [DATA_KEYS, USER_KEYS, INVITATION_KEYS, ANSWER_KEYS];

impl WrappedColumn {
    /// Where the key of one row belongs.
    pub(crate) fn binding<'a>(&self, organization_id: i64, row: &'a str) -> Binding<'a> {
        Binding { organization_id, table: self.table, column: self.column, row }
    }
}

impl std::fmt::Display for WrappedColumn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}
