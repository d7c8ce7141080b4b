use std::sync::Arc;

use chrono::{Datelike, NaiveDate, Utc};
use server_shared::{
    crypto::{normalize_email, normalize_national_id, normalize_phone},
    http::{Page, Paging},
};
use uuid::Uuid;

use super::{
    error::PatientError,
    event::PatientEvent,
    model::{CreatePatient, Patient, PatientFilter, PatientSort, UpdatePatient},
    repository::{self, PatientRow, PatientSearch, SealedPatient, Written},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Sealed, WriteTx},
    domain::rules::InvalidValue,
    domain::user::UserEvent,
    encryption::{Encryption, Holder, OpenKey},
    event::Events,
    identity::{Caller, Changed, Permission},
    ids::{OrganizationId, PatientId, UserId},
};

const TABLE: &str = "patients";
const EARLIEST_BIRTH: i32 = 1850;

/// People who are treated.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    encryption: Arc<Encryption>,
}

impl Service {
    pub(crate) fn new(database: Database, encryption: Arc<Encryption>) -> Self {
        Self { database, encryption }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        filter: &PatientFilter,
        sort: PatientSort,
        paging: Paging,
    ) -> Result<Page<Patient>, PatientError> {
        let search = self.search(organization, filter);
        let mut tx = self.database.disclose(caller).await?;
        let rows = repository::patient_page(&mut tx, organization, &search, sort, paging).await?;
        let total = match paging.total_of_first_page(rows.len()) {
            Some(total) => total,
            None => repository::patient_count(&mut tx, organization, &search).await?,
        };
        let notes = sees_notes(caller);
        let patients = rows.try_map(|rows| {
            rows.iter().map(|row| self.open(row, notes)).collect::<Result<Vec<Patient>, DatabaseError>>()
        })?;
        let patients =
            tx.disclose(patients, |patients| Audit::read(patients.iter().map(|patient| &patient.id))).await?;
        Ok(paging.page(patients, total))
    }

    pub(super) async fn get(&self, caller: &Caller, id: PatientId) -> Result<Patient, PatientError> {
        let mut tx = self.database.disclose(caller).await?;
        let row = repository::patient_get(&mut tx, id).await?.ok_or(PatientError::NotFound)?;
        let patient = row.try_map(|row| self.open(&row, sees_notes(caller)))?;
        Ok(tx.disclose(patient, |patient| Audit::read([&patient.id])).await?)
    }

    /// The user of a patient, for what other domains do with both: `None` for no such patient, `Some(None)`
    /// for one who can't sign in. Keeps the row from changing to the end of the transaction.
    pub(crate) async fn user_of(
        &self,
        tx: &mut WriteTx,
        id: PatientId,
    ) -> Result<Option<Option<UserId>>, DatabaseError> {
        repository::patient_user(tx, id).await
    }

    /// Returns true if the user is linked to a patient of the context's organization.
    pub(crate) async fn is_record_of(&self, tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
        repository::is_record_of(tx, user).await
    }

    /// Makes a patient the own one of a user who has accepted it, in a transaction of the service itself.
    pub(crate) async fn link(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        id: PatientId,
        user: UserId,
    ) -> Result<(), PatientError> {
        if repository::patient_link(tx, organization, id, user).await? {
            return Ok(());
        }
        let linked = repository::patient_user(tx, id).await?;
        Err(if linked.is_some() { PatientError::AlreadyLinked } else { PatientError::NotFound })
    }

    /// Ends what a user had by a patient record, at once.
    pub(crate) async fn unlink(&self, caller: &Caller, id: PatientId) -> Result<(), PatientError> {
        // Nobody but the owner of the table writes links.
        let mut tx = self.database.write(&caller.privileged()).await?;
        let user = repository::patient_user_hold(&mut tx, id).await?.ok_or(PatientError::NotFound)?;
        let user = user.ok_or(PatientError::HasNoUser)?;
        repository::patient_unlink(&mut tx, id).await?;
        tx.changed(Changed::User(user));
        tx.commit(Events::from(PatientEvent::Unlinked(id)).and([UserEvent::Unlinked(user)])).await?;
        Ok(())
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        mut record: CreatePatient,
    ) -> Result<Patient, PatientError> {
        check(&record)?;
        if !sees_notes(caller) {
            record.clinical_notes = None;
        }
        let uid = Uuid::now_v7();
        let key = self.encryption.create(Holder::Record { organization, id: Uuid::now_v7() });
        let values = self.seal(organization, uid, &key.key, &record);
        let mut tx = self.database.write(caller).await?;
        let Some(written) = repository::patient_create(&mut tx, organization, uid, &key, &values).await? else {
            let index = values.email_index.unwrap_or_default();
            // Who may not see the other is not told which one it is.
            let patient_id = if caller.may(Permission::PatientRead).is_ok() {
                repository::patient_by_email(&mut tx, organization, &index).await?
            } else {
                None
            };
            return Err(PatientError::EmailTaken { patient_id });
        };
        let patient = Sealed::new(patient(uid, None, record, &written, sees_notes(caller)));
        Ok(tx.commit_sealed(patient, |patient| PatientEvent::Created(patient.id)).await?)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        id: PatientId,
        change: UpdatePatient,
    ) -> Result<Patient, PatientError> {
        let version = change.version;
        let mut record = change.record();
        check(&record)?;
        let mut tx = self.database.write(caller).await?;
        let row = repository::patient_lock(&mut tx, id).await?.ok_or(PatientError::NotFound)?;
        if row.version != version {
            return Err(PatientError::StaleVersion { current: row.version });
        }
        let before = self.open(&row, true)?;
        // Before anything is compared with other patients', some of whom the caller may not see.
        let identified = before.email != record.email || before.national_id != record.national_id;
        if identified && caller.may(Permission::PatientIdentify).is_err() {
            return Err(PatientError::IdentifierForbidden);
        }
        if !sees_notes(caller) {
            record.clinical_notes.clone_from(&before.clinical_notes);
        }
        let mut values = self.seal(row.organization_id, row.uid, &self.key(&row)?, &record);
        if !sees_notes(caller) {
            // Sealed anew they would be other bytes, and the database lets nobody write them who may not.
            values.clinical_notes.clone_from(&row.clinical_notes_encrypted);
        }
        let written = repository::patient_update(&mut tx, id, &values).await?;
        let changed = changed_fields(&before, &record);
        let patient = Sealed::new(patient(row.uid, row.user_id, record, &written, sees_notes(caller)));
        Ok(tx.commit_sealed(patient, |patient| PatientEvent::Updated(patient.id, changed)).await?)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: PatientId) -> Result<(), PatientError> {
        let mut tx = self.database.write(caller).await?;
        let linked = repository::patient_delete(&mut tx, id).await?.ok_or(PatientError::NotFound)?;
        if let Some(user) = linked {
            tx.changed(Changed::User(user));
        }
        tx.commit(PatientEvent::Deleted(id)).await?;
        Ok(())
    }

    fn search(&self, organization: OrganizationId, filter: &PatientFilter) -> PatientSearch {
        let index = |column: &str, value: Option<String>| {
            value.map(|value| self.encryption.index(organization, column, &value))
        };
        PatientSearch {
            name: filter.search.as_deref().map(contains_pattern),
            email_index: index("email", filter.email.as_deref().map(normalize_email)),
            phone_index: index("phone", filter.phone.as_deref().map(normalize_phone)),
            national_id_index: index("national_id", filter.national_id.as_deref().map(normalize_national_id)),
        }
    }

    fn seal<'a>(
        &self,
        organization: OrganizationId,
        uid: Uuid,
        key: &OpenKey,
        record: &'a CreatePatient,
    ) -> SealedPatient<'a> {
        let cipher = key.row(TABLE, uid);
        let born = record.date_of_birth.map(|date| date.to_string());
        let index = |column: &str, value: Option<String>| {
            value.map(|value| self.encryption.index(organization, column, &value))
        };
        SealedPatient {
            first_name: &record.first_name,
            last_name: &record.last_name,
            email: cipher.seal("email", record.email.as_deref()),
            phone: cipher.seal("phone", record.phone.as_deref()),
            date_of_birth: cipher.seal("date_of_birth", born.as_deref()),
            national_id: cipher.seal("national_id", record.national_id.as_deref()),
            address: cipher.seal("address", record.address.as_deref()),
            emergency_contact: cipher.seal("emergency_contact", record.emergency_contact.as_deref()),
            clinical_notes: cipher.seal("clinical_notes", record.clinical_notes.as_deref()),
            email_index: index("email", record.email.as_deref().map(normalize_email)),
            phone_index: index("phone", record.phone.as_deref().map(normalize_phone)),
            national_id_index: index("national_id", record.national_id.as_deref().map(normalize_national_id)),
        }
    }

    fn key(&self, row: &PatientRow) -> Result<OpenKey, DatabaseError> {
        let holder = Holder::Record { organization: row.organization_id, id: row.data_key_id };
        self.encryption.open(holder, &row.wrapped)
    }

    fn open(&self, row: &PatientRow, notes: bool) -> Result<Patient, DatabaseError> {
        let key = self.key(row)?;
        let cipher = key.row(TABLE, row.uid);
        let born = cipher.open("date_of_birth", row.date_of_birth_encrypted.as_deref())?;
        Ok(Patient {
            id: row.id,
            uid: row.uid,
            user_id: row.user_id,
            first_name: row.first_name.clone(),
            last_name: row.last_name.clone(),
            email: cipher.open("email", row.email_encrypted.as_deref())?,
            phone: cipher.open("phone", row.phone_encrypted.as_deref())?,
            date_of_birth: born
                .map(|date| date.parse())
                .transpose()
                .map_err(|_| DatabaseError::Damaged(format!("the date of birth of patient {} is no date", row.id)))?,
            national_id: cipher.open("national_id", row.national_id_encrypted.as_deref())?,
            address: cipher.open("address", row.address_encrypted.as_deref())?,
            emergency_contact: cipher.open("emergency_contact", row.emergency_contact_encrypted.as_deref())?,
            clinical_notes: if notes {
                cipher.open("clinical_notes", row.clinical_notes_encrypted.as_deref())?
            } else {
                None
            },
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn sees_notes(caller: &Caller) -> bool {
    caller.may(Permission::ClinicalNotes).is_ok()
}

fn patient(uid: Uuid, user_id: Option<UserId>, record: CreatePatient, written: &Written, notes: bool) -> Patient {
    Patient {
        id: written.id,
        uid,
        user_id,
        first_name: record.first_name,
        last_name: record.last_name,
        email: record.email,
        phone: record.phone,
        date_of_birth: record.date_of_birth,
        national_id: record.national_id,
        address: record.address,
        emergency_contact: record.emergency_contact,
        clinical_notes: record.clinical_notes.filter(|_| notes),
        version: written.version,
        created_at: written.created_at,
        updated_at: written.updated_at,
    }
}

fn changed_fields(before: &Patient, after: &CreatePatient) -> Vec<&'static str> {
    let compared = [
        ("first_name", before.first_name == after.first_name),
        ("last_name", before.last_name == after.last_name),
        ("email", before.email == after.email),
        ("phone", before.phone == after.phone),
        ("date_of_birth", before.date_of_birth == after.date_of_birth),
        ("national_id", before.national_id == after.national_id),
        ("address", before.address == after.address),
        ("emergency_contact", before.emergency_contact == after.emergency_contact),
        ("clinical_notes", before.clinical_notes == after.clinical_notes),
    ];
    compared.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

fn check(record: &CreatePatient) -> Result<(), InvalidValue> {
    let today = Utc::now().date_naive();
    let plausible = |date: NaiveDate| date <= today && date.year() >= EARLIEST_BIRTH;
    if record.date_of_birth.is_none_or(plausible) {
        return Ok(());
    }
    Err(InvalidValue::new("/date_of_birth", "range", "must be between 1850 and today"))
}

/// A LIKE pattern that takes what holds the text, wildcards in it meaning themselves.
fn contains_pattern(text: &str) -> String {
    let escaped = text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_a_search_mean_themselves() {
        assert_eq!(contains_pattern(r" 100%_\ "), r"%100\%\_\\%");
    }

    #[test]
    fn nobody_is_born_tomorrow() {
        use poem_openapi::types::Example;
        let mut record = CreatePatient::example();
        assert!(check(&record).is_ok());
        record.date_of_birth = Utc::now().date_naive().succ_opt();
        assert!(check(&record).is_err());
        record.date_of_birth = NaiveDate::from_ymd_opt(1849, 12, 31);
        assert!(check(&record).is_err());
    }
}
