//! Texts that stood in the clear before there was a column for them to be sealed in.
//!
//! Readers accept either form, so nothing waits for this; it goes when the old columns do.

use super::{
    OrganizationKeys,
    repository::{self, SealedText},
};
use crate::database::{Across, DatabaseError};

/// Rows that are sealed by one statement.
const BATCH: i64 = 500;

/// A column of texts in the clear, and the one that takes its place. The table has `id`, `uid` and
/// `organization_id`.
#[derive(Debug)]
pub(super) struct ClearText {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) sealed: &'static str,
    /// SQL for what the old column holds once it is done.
    pub(super) emptied: &'static str,
}

static CLEAR_TEXTS: [ClearText; 3] = [
    ClearText { table: "impersonations", column: "reason", sealed: "reason_encrypted", emptied: "null" },
    ClearText { table: "appointments", column: "title", sealed: "title_encrypted", emptied: "''" },
    ClearText { table: "appointment_series", column: "title", sealed: "title_encrypted", emptied: "''" },
];

/// Seals what stands in the clear, of every organization; says how many texts that was. Any number of
/// processes can do it at once, and be stopped at any moment: a text is replaced only where it is still the
/// one that was read.
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
