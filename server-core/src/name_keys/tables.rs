//! Tables with a name that is stored in plain text.

use server_shared::value::Name;

/// Table whose rows have an `id`, a name, its keys `name_folded` and `name_sort`, and the version of the keys,
/// `name_keys_version`.
#[derive(Debug)]
pub(super) struct KeyedTable {
    pub(super) table: &'static str,
    /// Columns with the parts of the name, in the order in which they sort.
    pub(super) parts: &'static [&'static str],
    /// Normalizes a part; returns `None` if that is not possible.
    pub(super) form: fn(&str) -> Option<String>,
}

/// Every such table.
pub(super) static TABLES: &[KeyedTable] = &[
    KeyedTable { table: "patients", parts: &["last_name", "first_name"], form: name::<100> },
    KeyedTable { table: "specialists", parts: &["name"], form: name::<200> },
    KeyedTable { table: "specialties", parts: &["name"], form: name::<200> },
    KeyedTable { table: "appointment_templates", parts: &["name"], form: name::<200> },
    KeyedTable { table: "form_templates", parts: &["name"], form: name::<200> },
    KeyedTable { table: "segments", parts: &["name"], form: name::<200> },
    KeyedTable { table: "organizations", parts: &["name"], form: name::<200> },
    // The identity provider may have no name of a user, and a closed account has none.
    KeyedTable { table: "users", parts: &["name"], form: |text| name::<200>(text).or(blank(text)) },
];

fn name<const MAX: usize>(text: &str) -> Option<String> {
    Name::<MAX>::parse(text).map(Name::into_inner)
}

fn blank(text: &str) -> Option<String> {
    text.trim().is_empty().then(String::new)
}
