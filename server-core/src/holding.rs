//! Holdings: every column that identifies or describes a person, with the way in which the person's rows are found,
//! their treatment by an erasure, and their form in an export.
//!
//! Each module lists its own holdings in `holdings.rs`, and `app/domains.rs` collects them. Erasure and export read
//! that list and no other. A test compares it with the real schema and fails for a column that is neither in it nor on
//! the test's list of impersonal columns.

use std::fmt;

/// Way in which the rows of a person are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The column holds the user's id.
    User(&'static str),
    /// The column holds the hash of an e-mail address that the user has proved to own. A clinic can use it only for its
    /// members: its list of members shows their addresses, and from invitations a clinic must not learn who has which
    /// address.
    Address(&'static str),
    /// The column holds the id of one of the person's patient records.
    Patient(&'static str),
    /// The column holds the id of one of the person's specialist records.
    Specialist(&'static str),
    /// The column holds the id of the data key of one of the person's patient records.
    DataKey(&'static str),
    /// The column holds the id of an audit row about an action of the user. Under impersonation, the actor is the
    /// administrator, not the patient.
    AuditEntry(&'static str),
    /// The column holds the id of one of the person's organizations. Nothing in the row tells whom it is about, so it
    /// may be about the person.
    Organization(&'static str),
    /// The columns `entity_type` and `entity_id` name the user or one of the user's records.
    Entity,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(column) => write!(f, "user:{column}"),
            Self::Address(column) => write!(f, "address:{column}"),
            Self::Patient(column) => write!(f, "patient:{column}"),
            Self::Specialist(column) => write!(f, "specialist:{column}"),
            Self::DataKey(column) => write!(f, "data_key:{column}"),
            Self::AuditEntry(column) => write!(f, "audit_entry:{column}"),
            Self::Organization(column) => write!(f, "organization:{column}"),
            Self::Entity => f.write_str("entity:entity_id"),
        }
    }
}

/// Treatment of the rows by an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Deletes the rows.
    Delete,
    /// Keeps the rows and removes what identifies the person, by these assignments.
    Anonymize(&'static str),
    /// Destroys the key in the rows by these assignments, so that nothing sealed under it can be opened any more, not
    /// even in replicas and in backups that don't hold the key.
    DestroyKey(&'static str),
    /// Keeps the rows unchanged.
    Retain {
        /// Legal ground for keeping them.
        reason: &'static str,
        /// Time until which they are kept.
        until: &'static str,
    },
}

/// Form in which an export shows a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The stored value.
    Clear,
    /// The opened value of a sealed column, under this name.
    Sealed(&'static str),
    /// The column is left out: keys, hashes and indexes contain nothing that another column does not show.
    Nothing,
}

/// Column that holds personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
}

/// Returns a column that an export shows unchanged.
pub(crate) const fn clear(name: &'static str) -> Column {
    Column { name, shown: Shown::Clear }
}

/// Returns a sealed column that an export opens, and shows as `value`.
pub(crate) const fn sealed(name: &'static str, value: &'static str) -> Column {
    Column { name, shown: Shown::Sealed(value) }
}

/// Returns a column that an export leaves out.
pub(crate) const fn hidden(name: &'static str) -> Column {
    Column { name, shown: Shown::Nothing }
}

/// Place of the key of a table's sealed columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealedBy {
    /// No column is sealed.
    Nothing,
    /// The row refers to a row of `data_keys`.
    DataKey,
    /// The row holds the wrapped key of the user.
    OwnKey,
    /// The key is that of the row's organization.
    Organization,
    /// The row holds the wrapped key of the invitation.
    InvitationKey,
}

/// Unique key by which an export pages through a person's rows of a holding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKey {
    Number(&'static str),
    Uuid(&'static str),
    /// A key of several columns, as an expression on `t`.
    Text(&'static str),
}

/// Columns of a table in which a person is found in one way. A table in which people are found in several ways has
/// several holdings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) table: &'static str,
    pub(crate) found: Found,
    /// Condition on the rows found; the others belong to another holding.
    pub(crate) only: &'static str,
    /// `true` if the rows belong to the person rather than to an organization, and are erased with the account. So are
    /// rows of every other holding that belong to no organization.
    pub(crate) account: bool,
    pub(crate) sealed_by: SealedBy,
    pub(crate) page_key: PageKey,
    /// Rows per page of an export, which are in memory together; fewer where a row may be large.
    pub(crate) page_rows: usize,
    pub(crate) columns: &'static [Column],
    /// Treatment by an erasure in the mode `erase`.
    pub(crate) erase: Fate,
    /// Treatment by an erasure in the mode `anonymize`, which keeps everything that does not identify a person.
    pub(crate) anonymize: Fate,
}

/// Defaults of a holding, for `..HOLDING`.
pub(crate) const HOLDING: Holding = Holding {
    table: "",
    found: Found::Entity,
    only: "true",
    account: false,
    sealed_by: SealedBy::Nothing,
    page_key: PageKey::Number("id"),
    page_rows: 200,
    columns: &[],
    erase: Fate::Delete,
    anonymize: Fate::Delete,
};

/// All holdings, in the order in which an erasure processes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings(&'static [&'static [Holding]]);

impl Holdings {
    /// Collects the holdings of each module.
    pub(crate) const fn new(rooms: &'static [&'static [Holding]]) -> Self {
        Self(rooms)
    }

    /// Iterates over the holdings in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static Holding> {
        self.0.iter().copied().flatten()
    }

    /// Returns the list as text with a line for each column: table, column, way of finding the person, treatments by
    /// the modes `erase` and `anonymize`, and the name in an export, separated by tabs.
    pub(crate) fn printed(self) -> String {
        let lines = self.iter().flat_map(|holding| {
            holding.columns.iter().map(|column| {
                let shown = match column.shown {
                    Shown::Clear => column.name,
                    Shown::Sealed(value) => value,
                    Shown::Nothing => "-",
                };
                let (table, name, found) = (holding.table, column.name, holding.found);
                format!("{table}\t{name}\t{found}\t{}\t{}\t{shown}\n", said(holding.erase), said(holding.anonymize))
            })
        });
        lines.collect()
    }
}

fn said(fate: Fate) -> String {
    match fate {
        Fate::Delete => "delete".to_owned(),
        Fate::Anonymize(_) => "anonymize".to_owned(),
        Fate::DestroyKey(_) => "destroy_key".to_owned(),
        Fate::Retain { reason, until } => format!("retain({reason}; until {until})"),
    }
}
