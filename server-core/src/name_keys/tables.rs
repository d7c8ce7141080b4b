//! Tables whose rows have a name in the clear.

use server_shared::value::Name;

/// A table whose rows have a name, its keys `name_folded` and `name_sort`, and their version `name_keys_version`.
#[derive(Debug)]
pub(super) struct KeyedTable {
    pub(super) table: &'static str,
    /// Primary key, a `bigint`.
    pub(super) key: &'static str,
    /// Columns that the name consists of, in the order in which they sort.
    pub(super) parts: &'static [&'static str],
    /// Brings a part into its form; `None` if it has none.
    pub(super) form: fn(&str) -> Option<String>,
}

/// Every such table.
pub(super) static TABLES: &[KeyedTable] = &[KeyedTable {
    table: "patients",
    key: "id",
    parts: &["last_name", "first_name"],
    form: |text| Name::<100>::parse(text).map(Name::into_inner),
}];
