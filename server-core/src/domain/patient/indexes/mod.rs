//! Blind indexes of patients, and their refresh: rows that an earlier version indexed by another form, and rows of
//! organizations whose country has changed.

mod repository;

use chrono::NaiveDate;
use server_shared::value::{CountryCode, EmailAddress, PhoneNumber, folded_words};

use super::service::TABLE;
use crate::{
    database::{Across, DatabaseError},
    encryption::{self, Encryption, Holder, IndexedTable, IndexesRefreshed},
    ids::{OrganizationId, PatientId},
};
use repository::NewIndexes;

/// Version of the forms that the blind indexes of patients are made of. A row with another version is indexed anew.
///
/// Since version 2 there is an index of name and date of birth. It is made of the folded name, so this is to be raised
/// together with `KEYS_VERSION`.
pub(super) const INDEXES_VERSION: i32 = 2;

/// The table of patients.
struct Patients;

/// Returns the blind index of an e-mail address.
pub(super) fn index_email(encryption: &Encryption, organization: OrganizationId, address: &str) -> Vec<u8> {
    encryption.index(organization, "email", &EmailAddress::key_of(address))
}

/// Returns the blind index of a name and a date of birth, the words of the name folded and in any order: people are
/// entered with first and last name exchanged.
pub(super) fn index_name_birth(
    encryption: &Encryption,
    organization: OrganizationId,
    (first_name, last_name): (&str, &str),
    born: NaiveDate,
) -> Vec<u8> {
    let words = folded_words(&format!("{first_name} {last_name}"));
    encryption.index(organization, "name_birth", &format!("{born} {}", words.join(" ")))
}

/// Counts the rows that a refresh would write.
pub(crate) async fn indexes_left(across: &Across) -> Result<i64, DatabaseError> {
    repository::indexes_left(across).await
}

/// Brings the indexes of every organization into the present form; calls `progress` with the number of rows written so
/// far.
pub(crate) async fn indexes_refresh(
    across: &Across,
    encryption: &Encryption,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<IndexesRefreshed, DatabaseError> {
    if !repository::is_index_left(across).await? {
        return Ok(IndexesRefreshed::default());
    }
    let countries = repository::countries_changed(across).await?;
    let refreshed = encryption::indexes_refresh(&Patients, across, encryption, progress).await?;
    // What was missed still has to be found by its organization's country.
    if refreshed.missed == 0 {
        repository::countries_settle(across, &countries).await?;
    }
    Ok(refreshed)
}

/// Walks in the order of the ids.
impl IndexedTable for Patients {
    type Row = NewIndexes;

    fn name(&self) -> &'static str {
        TABLE
    }

    fn id(row: &NewIndexes) -> i64 {
        row.read.id.0
    }

    async fn page(&self, across: &Across, last: Option<i64>, limit: i64) -> Result<Vec<NewIndexes>, DatabaseError> {
        let rows = repository::indexes_page(across, PatientId(last.unwrap_or_default()), limit).await?;
        Ok(rows.into_iter().map(NewIndexes::of).collect())
    }

    fn index(&self, encryption: &Encryption, new: &mut NewIndexes) -> Result<(), DatabaseError> {
        let row = &new.read;
        // The key of an erased patient is destroyed, and nothing is left that it would open.
        if row.email_encrypted.is_none() && row.phone_encrypted.is_none() && row.date_of_birth_encrypted.is_none() {
            return Ok(());
        }
        let organization = row.organization_id;
        let key = encryption.open(Holder::Record { organization, id: row.data_key_id }, &row.wrapped)?;
        let cipher = key.row(TABLE, row.uid);
        let country = row.country.as_deref().and_then(CountryCode::parse);
        new.email_index = cipher
            .open("email", row.email_encrypted.as_deref())?
            .map(|email| index_email(encryption, organization, email.get()));
        new.phone_index = cipher
            .open("phone", row.phone_encrypted.as_deref())?
            .map(|phone| encryption.index(organization, "phone", &PhoneNumber::key_of(phone.get(), country)));
        let born = cipher.open("date_of_birth", row.date_of_birth_encrypted.as_deref())?;
        let born = born.map(|born| born.get().parse::<NaiveDate>()).transpose();
        let born = born.map_err(|_| DatabaseError::Damaged("the date of birth is no date".to_owned()))?;
        let name = (row.first_name.as_str(), row.last_name.as_str());
        new.name_birth_index = born.map(|born| index_name_birth(encryption, organization, name, born));
        Ok(())
    }

    fn email_indexes(row: &NewIndexes) -> (Option<&[u8]>, Option<&[u8]>) {
        (row.read.email_index.as_deref(), row.email_index.as_deref())
    }

    fn keep(row: &mut NewIndexes) {
        row.email_index.clone_from(&row.read.email_index);
    }

    async fn write(&self, across: &Across, rows: &[NewIndexes]) -> Result<Option<u64>, DatabaseError> {
        repository::indexes_replace(across, rows).await
    }

    async fn settle(&self, across: &Across, rows: &[NewIndexes]) -> Result<Vec<i64>, DatabaseError> {
        repository::indexes_settle(across, rows).await
    }
}

#[cfg(test)]
mod tests {
    use server_shared::value::KEYS_VERSION;

    use super::*;

    #[test]
    fn names_that_fold_otherwise_are_indexed_anew() {
        let message = "raise INDEXES_VERSION with KEYS_VERSION: an index of patients is made of the folded name";
        assert_eq!((KEYS_VERSION, INDEXES_VERSION), (1, 2), "{message}");
    }
}
