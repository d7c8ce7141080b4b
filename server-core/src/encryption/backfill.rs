//! Sealing of texts that were stored in the clear before a sealed column existed.
//!
//! Readers accept either form, so nothing waits for this. It is removed together with the old columns.

use super::{
    OrganizationKeys,
    repository::{self, SealedText},
};
use crate::database::{Across, DatabaseError};

/// Largest number of rows sealed by one statement.
const BATCH: i64 = 500;

/// Column of clear texts, and the sealed column that replaces it. The table has `id`, `uid` and `organization_id`.
#[derive(Debug)]
pub(super) struct ClearText {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) sealed: &'static str,
    /// SQL for the value of the old column after sealing.
    pub(super) emptied: &'static str,
}

static CLEAR_TEXTS: [ClearText; 3] = [
    ClearText { table: "impersonations", column: "reason", sealed: "reason_encrypted", emptied: "null" },
    ClearText { table: "appointments", column: "title", sealed: "title_encrypted", emptied: "''" },
    ClearText { table: "appointment_series", column: "title", sealed: "title_encrypted", emptied: "''" },
];

/// Seals the clear texts of every organization; returns the number of texts sealed. Any number of processes can do it
/// concurrently and be stopped at any moment: a text is replaced only if it is still the one that was read.
pub(crate) async fn texts_seal(across: Across, keys: OrganizationKeys) -> Result<u64, DatabaseError> {
    let mut done = 0;
    for place in &CLEAR_TEXTS {
        let mut after = 0;
        loop {
            let texts = repository::texts_page(&across, place, after, BATCH).await?;
            let Some(last) = texts.last() else { break };
            after = last.id;
            let mut sealed = Vec::with_capacity(texts.len());
            for text in texts {
                let key = keys.of(text.organization_id).await?;
                let value = key.row(place.table, text.uid).seal(place.column, Some(&text.value));
                sealed.push(SealedText { id: text.id, value: text.value, sealed: value.unwrap_or_default() });
            }
            done += repository::texts_replace(&across, place, &sealed).await?;
        }
    }
    Ok(done)
}
