//! What is under which key.

use std::fmt;

use server_shared::crypto::MasterKeys;
use sqlx::PgConnection;

use super::repository;
use crate::encryption::{WRAPPED, WrappedColumn};

/// How a key stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// `ENCRYPTION_KEY`
    Current,
    /// One of `ENCRYPTION_KEYS_OLD`
    Old,
    /// Neither: what it wrapped can't be opened here.
    Unknown,
}

/// How many values are under one key.
#[derive(Debug)]
struct Count {
    column: &'static WrappedColumn,
    key_id: String,
    standing: Standing,
    values: i64,
}

/// The values of every column by the key they are under.
#[derive(Debug)]
pub(super) struct Census(Vec<Count>);

impl Census {
    /// Counts them.
    pub(super) async fn take(connection: &mut PgConnection, master: &MasterKeys) -> Result<Self, sqlx::Error> {
        let mut counts = Vec::new();
        for column in &WRAPPED {
            for (key_id, values) in repository::count(connection, column).await? {
                let standing = if key_id == master.current_key_id().as_bytes() {
                    Standing::Current
                } else if master.old_key_ids().any(|id| key_id == id.as_bytes()) {
                    Standing::Old
                } else {
                    Standing::Unknown
                };
                counts.push(Count { column, key_id: hex::encode(key_id), standing, values });
            }
        }
        Ok(Self(counts))
    }

    /// Whether nothing needs another key than the current one.
    pub(super) fn is_clear(&self) -> bool {
        self.0.iter().all(|count| count.standing == Standing::Current)
    }

    /// How many values of a column are under old keys.
    pub(super) fn old(&self, column: &WrappedColumn) -> i64 {
        self.of(column).filter(|count| count.standing == Standing::Old).map(|count| count.values).sum()
    }

    fn of(&self, column: &WrappedColumn) -> impl Iterator<Item = &Count> {
        self.0.iter().filter(move |count| std::ptr::eq(count.column, column))
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for column in &WRAPPED {
            writeln!(f, "{column}: {} values", self.of(column).map(|count| count.values).sum::<i64>())?;
            for Count { key_id, standing, values, .. } in self.of(column) {
                let key = match standing {
                    Standing::Current => "the current key",
                    Standing::Old => "the old key",
                    Standing::Unknown => "a key that is not here,",
                };
                writeln!(f, "  {values} under {key} {key_id}")?;
            }
        }
        writeln!(
            f,
            "{}",
            if self.is_clear() {
                "Every value is under the current key: ENCRYPTION_KEYS_OLD can be withdrawn."
            } else {
                "Not every value is under the current key: ENCRYPTION_KEYS_OLD must stay."
            }
        )
    }
}
