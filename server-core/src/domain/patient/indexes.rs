//! Refresh of the blind indexes of e-mail addresses and telephone numbers, in rows that another version of the service
//! normalized differently, and in organizations whose country has changed.
//!
//! The rows record which of them are out of date, so the next refresh continues an interrupted one. A refresh changes a
//! row only if its version is still the one that was read, and skips locked rows.

use server_shared::value::{CountryCode, EmailAddress, PhoneNumber};

use super::{
    repository::{self, IndexedPatient, NewIndexes},
    service::TABLE,
};
use crate::{
    database::{Across, DatabaseError},
    encryption::{Encryption, Holder},
    ids::{OrganizationId, PatientId},
};

/// Number of rows that one statement writes.
const BATCH: i64 = 500;
/// Maximum number of patients whose values can't be decrypted. They are reported and skipped; if there are more, the
/// encryption key is wrong.
const MOST_DAMAGED: usize = 100;
/// Indexes of e-mail addresses that may change before one is found that stays; if more do, `BLIND_INDEX_KEY` is wrong, as the
/// forms of most addresses are the same in every version.
const MOST_CHANGED: usize = 20;

/// Outcome of a refresh.
#[derive(Debug, Default)]
pub(crate) struct IndexesRefreshed {
    /// Number of rows written.
    pub(crate) rows: u64,
    /// Number of rows that were skipped, because another transaction had locked or changed them.
    pub(crate) missed: u64,
    /// Patients who keep their old index of the e-mail address, because another patient of the organization has the new one.
    pub(crate) equal: Vec<PatientId>,
    /// Patients whose sealed values can't be decrypted.
    pub(crate) damaged: Vec<PatientId>,
}

/// Returns the blind index of an e-mail address.
pub(super) fn index_email(encryption: &Encryption, organization: OrganizationId, address: &str) -> Vec<u8> {
    encryption.index(organization, "email", &EmailAddress::key_of(address))
}

/// Counts the rows that a refresh would write.
pub(crate) async fn indexes_left(across: &Across) -> Result<i64, DatabaseError> {
    repository::indexes_left(across).await
}

/// Refreshes the blind indexes of every organization. Calls `progress` with the number of rows written so far.
pub(crate) async fn indexes_refresh(
    across: &Across,
    encryption: &Encryption,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<IndexesRefreshed, DatabaseError> {
    let mut refreshed = IndexesRefreshed::default();
    if !repository::is_index_left(across).await? {
        return Ok(refreshed);
    }
    let countries = repository::countries_changed(across).await?;
    let (mut kept, mut changed) = (0, 0);
    let mut after = PatientId(0);
    loop {
        let rows = repository::indexes_page(across, after, BATCH).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let mut indexes = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id;
            match indexed(encryption, row) {
                Ok(row) => indexes.push(row),
                Err(error) => {
                    tracing::warn!(patient_id = id.0, %error, "values of a patient do not open; its indexes stay");
                    refreshed.damaged.push(id);
                }
            }
        }
        if refreshed.damaged.len() > MOST_DAMAGED {
            return Err(DatabaseError::Damaged(format!("values of more than {MOST_DAMAGED} patients do not open")));
        }
        for row in indexes.iter().filter(|row| row.stored.is_some()) {
            if row.stored == row.email_index { kept += 1 } else { changed += 1 }
        }
        if kept == 0 && changed > MOST_CHANGED {
            return Err(DatabaseError::Damaged("indexes of e-mail addresses were made with another key".to_owned()));
        }
        let all = indexes.len() as u64;
        let written = write(across, indexes, &mut refreshed).await?;
        refreshed.rows += written;
        refreshed.missed += all - written;
        progress(refreshed.rows);
    }
    // If rows were skipped, the organizations stay listed, so that the next refresh finds these rows.
    if refreshed.missed == 0 {
        repository::countries_settle(across, &countries).await?;
    }
    Ok(refreshed)
}

fn indexed(encryption: &Encryption, row: IndexedPatient) -> Result<NewIndexes, DatabaseError> {
    let organization = row.organization_id;
    let mut new =
        NewIndexes { id: row.id, version: row.version, stored: row.email_index, email_index: None, phone_index: None };
    // The key of an erased patient is destroyed, and nothing is left that it would open.
    if row.email_encrypted.is_none() && row.phone_encrypted.is_none() {
        return Ok(new);
    }
    let key = encryption.open(Holder::Record { organization, id: row.data_key_id }, &row.wrapped)?;
    let cipher = key.row(TABLE, row.uid);
    let country = row.country.as_deref().and_then(CountryCode::parse);
    new.email_index = cipher
        .open("email", row.email_encrypted.as_deref())?
        .map(|email| index_email(encryption, organization, email.get()));
    new.phone_index = cipher
        .open("phone", row.phone_encrypted.as_deref())?
        .map(|phone| encryption.index(organization, "phone", &PhoneNumber::key_of(phone.get(), country)));
    Ok(new)
}

/// Writes a batch and returns the number of changed rows. If the e-mail addresses of two patients have become equal,
/// writes row by row; the patient that comes later keeps its previous index.
async fn write(across: &Across, rows: Vec<NewIndexes>, refreshed: &mut IndexesRefreshed) -> Result<u64, DatabaseError> {
    if let Some(written) = repository::indexes_replace(across, &rows).await? {
        return Ok(written);
    }
    let mut written = 0;
    for mut row in rows {
        if let Some(alone) = repository::indexes_replace(across, std::slice::from_ref(&row)).await? {
            written += alone;
            continue;
        }
        refreshed.equal.push(row.id);
        row.email_index = row.stored.take();
        written += repository::indexes_replace(across, &[row]).await?.unwrap_or_default();
    }
    Ok(written)
}
