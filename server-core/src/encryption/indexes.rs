//! Refresh of blind indexes: brings those of a table's rows into the present form.
//!
//! Rows themselves say what is left, so a refresh that was ended is continued by the next one. A row is written only in
//! the state that was read, and rows that others have locked are left for the next refresh.

use super::Encryption;
use crate::database::{Across, DatabaseError};

/// Version of the forms that blind indexes are made of. A row with another version is indexed anew.
pub(crate) const INDEXES_VERSION: i32 = 1;

/// Rows that are written by one statement.
const BATCH: i64 = 500;
/// Rows whose values do not open that are reported and left alone; if there are more, a key is wrong.
const MOST_DAMAGED: usize = 100;
/// Indexes of e-mail addresses that may change before one is found that stays; if more do, `BLIND_INDEX_KEY` is wrong,
/// as the forms of most addresses are the same in every version.
const MOST_CHANGED: usize = 20;

/// Outcome of a refresh.
#[derive(Debug, Default)]
pub(crate) struct IndexesRefreshed {
    /// Number of rows whose indexes were made.
    pub(crate) rows: u64,
    /// Number of rows that others had locked or changed meanwhile.
    pub(crate) missed: u64,
    /// Ids of rows that keep their old index of the e-mail address, because another row has the new one.
    pub(crate) equal: Vec<i64>,
    /// Ids of rows whose sealed values do not open.
    pub(crate) damaged: Vec<i64>,
}

/// Table whose rows have blind indexes, and their version `indexes_version`.
pub(crate) trait IndexedTable: Sync {
    /// Row as it was read, with the indexes on their way into it.
    type Row: Send + Sync;

    /// Returns the table's name.
    fn name(&self) -> &'static str;

    /// Returns the id of a row.
    fn id(row: &Self::Row) -> i64;

    /// Reads rows whose indexes are left to be made, and which follow the row `last` in the order of the walk.
    fn page(
        &self,
        across: &Across,
        last: Option<i64>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Self::Row>, DatabaseError>> + Send;

    /// Opens the values of a row and makes its new indexes.
    fn index(&self, encryption: &Encryption, row: &mut Self::Row) -> Result<(), DatabaseError>;

    /// Returns the stored and the new index of the e-mail address.
    fn email_indexes(row: &Self::Row) -> (Option<&[u8]>, Option<&[u8]>);

    /// Takes the stored index of the e-mail address for the new one.
    fn keep(row: &mut Self::Row);

    /// Writes indexes with their version and returns the number of rows written; `None`, and nothing is written, if
    /// another row must differ from one of them. Rows that others have locked are left, so that two refreshes do not
    /// wait for each other.
    fn write(
        &self,
        across: &Across,
        rows: &[Self::Row],
    ) -> impl Future<Output = Result<Option<u64>, DatabaseError>> + Send;

    /// Writes the version alone and returns the ids of the rows written. Rows that others have locked are left.
    fn settle(
        &self,
        across: &Across,
        rows: &[Self::Row],
    ) -> impl Future<Output = Result<Vec<i64>, DatabaseError>> + Send;
}

/// Brings the indexes of a table's rows into the present form; calls `progress` with the number of rows written so far.
///
/// A row whose values do not open keeps its indexes and gets the version, so that it is reported once. If the master
/// key of the row is not configured, it does not get the version, since the key can be configured later.
pub(crate) async fn indexes_refresh<T: IndexedTable>(
    table: &T,
    across: &Across,
    encryption: &Encryption,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<IndexesRefreshed, DatabaseError> {
    let mut refreshed = IndexesRefreshed::default();
    let (mut kept, mut changed) = (0, 0);
    let mut last = None;
    loop {
        let rows = table.page(across, last, BATCH).await?;
        let Some(id) = rows.last().map(T::id) else { return Ok(refreshed) };
        last = Some(id);
        let mut made = Vec::with_capacity(rows.len());
        let mut damaged = Vec::new();
        for mut row in rows {
            let Err(error) = table.index(encryption, &mut row) else {
                made.push(row);
                continue;
            };
            let id = T::id(&row);
            tracing::warn!(table = table.name(), id, %error, "values of a row do not open; its indexes stay");
            if matches!(error, DatabaseError::KeyMissing(_)) {
                refreshed.damaged.push(id);
            } else {
                damaged.push(row);
            }
        }
        if refreshed.damaged.len() + damaged.len() > MOST_DAMAGED {
            return Err(DatabaseError::Damaged(format!(
                "values of more than {MOST_DAMAGED} rows of {} do not open",
                table.name()
            )));
        }
        if !damaged.is_empty() {
            let settled = table.settle(across, &damaged).await?;
            refreshed.missed += (damaged.len() - settled.len()) as u64;
            refreshed.damaged.extend(settled);
        }
        for (stored, new) in made.iter().map(T::email_indexes).filter(|(stored, _)| stored.is_some()) {
            if stored == new { kept += 1 } else { changed += 1 }
        }
        if kept == 0 && changed > MOST_CHANGED {
            return Err(DatabaseError::Damaged("indexes of e-mail addresses were made with another key".to_owned()));
        }
        let all = made.len() as u64;
        let written = write(table, across, made, &mut refreshed).await?;
        refreshed.rows += written;
        refreshed.missed += all - written;
        progress(refreshed.rows);
    }
}

/// Writes a batch and returns the number of rows written. If two rows have become equal, the batch is written row by
/// row in the order of the walk, and the later one keeps its old index.
async fn write<T: IndexedTable>(
    table: &T,
    across: &Across,
    rows: Vec<T::Row>,
    refreshed: &mut IndexesRefreshed,
) -> Result<u64, DatabaseError> {
    if let Some(written) = table.write(across, &rows).await? {
        return Ok(written);
    }
    let mut written = 0;
    for mut row in rows {
        if let Some(alone) = table.write(across, std::slice::from_ref(&row)).await? {
            written += alone;
            continue;
        }
        refreshed.equal.push(T::id(&row));
        T::keep(&mut row);
        written += table.write(across, std::slice::from_ref(&row)).await?.unwrap_or_default();
    }
    Ok(written)
}
