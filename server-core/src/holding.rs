//! Every column that identifies or describes a person: how the person is found in it, what erasure
//! does with it, and what an export shows of it. Each room states its own in its `holdings.rs`, and `app.rs` collects
//! them. Erasure and export read that list and no other; a test walks the real schema and fails for a column that is
//! neither in it nor on the test's list of impersonal ones.

use std::fmt;

/// How the rows of a person are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The column holds the user's id.
    User(&'static str),
    /// The column holds the hash of the address that the user has proved to own. A clinic finds so whom it has
    /// as a member and nobody else: its list of members shows the address, and from its invitations it must
    /// not learn who has which.
    Address(&'static str),
    /// The column holds the id of one of the person's patient records.
    Patient(&'static str),
    /// The column holds the id of one of the person's specialist records.
    Specialist(&'static str),
    /// The column holds the id of the data key of one of the person's patient records.
    DataKey(&'static str),
    /// The column holds the id of an audit row of what the user did. Who impersonates does it, not who
    /// is impersonated.
    AuditEntry(&'static str),
    /// The column holds one of the person's organizations. Nothing says whose the row is, so each may be
    /// about the person.
    Organization(&'static str),
    /// `entity_type` and `entity_id` name the user or one of its records.
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
    /// They go.
    Delete,
    /// They stay, after these assignments, and name nobody.
    Anonymize(&'static str),
    /// The key in them is destroyed, by these assignments: what was sealed with it opens nowhere any
    /// more, in backups and replicas neither.
    DestroyKey(&'static str),
    /// They stay as they are.
    Retain {
        /// Why the law lets them, or makes them, stay.
        reason: &'static str,
        /// How long.
        until: &'static str,
    },
}

/// Form in which an export shows a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The value that stands in it.
    Clear,
    /// The value that is sealed in it, under this name.
    Sealed(&'static str),
    /// Nothing: keys, hashes and indexes tell a person nothing that another column doesn't.
    Nothing,
}

/// A column that is about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
}

/// Returns a column that an export shows as it is.
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

/// Where the key of a table's sealed columns is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealedBy {
    /// Nothing in it is sealed.
    Nothing,
    /// The row names a row of `data_keys`.
    DataKey,
    /// The user's key stands in the row itself, wrapped.
    OwnKey,
    /// It is the key of the row's organization.
    Organization,
    /// The invitation's key does.
    InvitationKey,
}

/// By what an export goes through a person's rows of a holding, page by page: what no two of them have
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKey {
    Number(&'static str),
    Uuid(&'static str),
    /// Of several columns, as an expression on `t`.
    Text(&'static str),
}

/// The columns of a table in which a person is found one way. A table where people are found in
/// several ways has several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) table: &'static str,
    pub(crate) found: Found,
    /// Which of the rows found are meant; the rest are another holding's.
    pub(crate) only: &'static str,
    /// True if the rows belong to the person rather than to an organization, and are erased with the account. The
    /// same goes for rows of every other holding that belong to no organization.
    pub(crate) account: bool,
    pub(crate) sealed_by: SealedBy,
    pub(crate) page_key: PageKey,
    pub(crate) columns: &'static [Column],
    /// Treatment by erasing.
    pub(crate) erase: Fate,
    /// Treatment by anonymizing, which keeps what can be kept without naming anybody.
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
    columns: &[],
    erase: Fate::Delete,
    anonymize: Fate::Delete,
};

/// All that is held on people, in the order in which an erasure goes through it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings(&'static [&'static [Holding]]);

impl Holdings {
    /// Collects what each room holds.
    pub(crate) const fn new(rooms: &'static [&'static [Holding]]) -> Self {
        Self(rooms)
    }

    /// Goes through them in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static Holding> {
        self.0.iter().copied().flatten()
    }

    /// Returns the list as text, a line a column: table, column, how the person is found, treatment by erasing and by
    /// anonymizing, and the name in an export; separated by tabs.
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
