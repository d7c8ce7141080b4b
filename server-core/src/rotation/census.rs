//! Count of wrapped values by the key that wraps them.

use std::fmt;

use server_shared::crypto::MasterKeys;
use sqlx::PgConnection;

use super::repository;
use crate::encryption::{WRAPPED, WrappedColumn};

/// Place of a key in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyStatus {
    /// The key in `ENCRYPTION_KEY`.
    Current,
    /// One of the keys in `ENCRYPTION_KEYS_OLD`.
    Old,
    /// A key that is not configured: values that it wraps can't be opened here.
    Unknown,
}

/// Number of values of a column that one key wraps.
#[derive(Debug)]
struct Count {
    column: &'static WrappedColumn,
    key_id: String,
    status: KeyStatus,
    values: i64,
}

/// Number of wrapped values in every column, by key.
#[derive(Debug)]
pub(super) struct Census(Vec<Count>);

impl Census {
    /// Counts the wrapped values.
    pub(super) async fn take(connection: &mut PgConnection, master: &MasterKeys) -> Result<Self, sqlx::Error> {
        let mut counts = Vec::new();
        for column in &WRAPPED {
            for (key_id, values) in repository::count(connection, column).await? {
                let status = if key_id == master.current_key_id().as_bytes() {
                    KeyStatus::Current
                } else if master.old_key_ids().any(|id| key_id == id.as_bytes()) {
                    KeyStatus::Old
                } else {
                    KeyStatus::Unknown
                };
                counts.push(Count { column, key_id: hex::encode(key_id), status, values });
            }
        }
        Ok(Self(counts))
    }

    /// Returns true if the current key wraps every value.
    pub(super) fn is_clear(&self) -> bool {
        self.0.iter().all(|count| count.status == KeyStatus::Current)
    }

    /// Returns the number of values of a column that old keys wrap.
    pub(super) fn old(&self, column: &WrappedColumn) -> i64 {
        self.of(column).filter(|count| count.status == KeyStatus::Old).map(|count| count.values).sum()
    }

    fn of(&self, column: &WrappedColumn) -> impl Iterator<Item = &Count> {
        self.0.iter().filter(move |count| std::ptr::eq(count.column, column))
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for column in &WRAPPED {
            writeln!(f, "{column}: {} values", self.of(column).map(|count| count.values).sum::<i64>())?;
            for Count { key_id, status, values, .. } in self.of(column) {
                let key = match status {
                    KeyStatus::Current => "the current key",
                    KeyStatus::Old => "the old key",
                    KeyStatus::Unknown => "a key that is not configured,",
                };
                writeln!(f, "  {values} under {key} {key_id}")?;
            }
        }
        writeln!(
            f,
            "{}",
            if self.is_clear() {
                "Every value is under the current key: ENCRYPTION_KEYS_OLD can be removed."
            } else {
                "Not every value is under the current key: ENCRYPTION_KEYS_OLD must stay."
            }
        )
    }
}
