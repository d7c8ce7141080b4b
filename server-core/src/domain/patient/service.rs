use std::sync::Arc;

use chrono::{Datelike, NaiveDate, Utc};
use server_shared::{
    crypto::{normalize_email, normalize_national_id, normalize_phone},
    http::{Page, Paging},
    mark::Phi,
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
    database::{Database, DatabaseError, Disclosed, Sealed},
    domain::{
        link::Links,
        rules::{InvalidValue, StaleVersion},
    },
    encryption::{Encryption, Holder, OpenKey},
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
    /// Links between patients and the users who sign in as them.
    pub(crate) links: Links<PatientId>,
}

impl Service {
    pub(crate) fn new(database: Database, encryption: Arc<Encryption>) -> Self {
        Self { links: Links::new(database.clone()), database, encryption }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        filter: &PatientFilter,
        sort: PatientSort,
        paging: Paging,
    ) -> Result<Disclosed<Page<Patient>>, PatientError> {
        let search = self.search(organization, filter);
        let mut tx = self.database.disclose(caller).await?;
        let rows = repository::patient_page(&mut tx, &search, sort, paging).await?;
        let notes = sees_notes(caller);
        let page = rows.try_map(|(rows, total)| {
            let patients = rows.iter().map(|row| self.open(row, notes)).collect::<Result<Vec<_>, DatabaseError>>()?;
            Ok::<_, DatabaseError>(paging.page(patients, total))
        })?;
        Ok(tx.disclose(page, |page| Audit::read(page.data.iter().map(|patient| &patient.id))).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: PatientId) -> Result<Disclosed<Patient>, PatientError> {
        let mut tx = self.database.disclose(caller).await?;
        let row = tx.get::<PatientRow>(id).await?.ok_or(PatientError::NotFound)?;
        let patient = row.try_map(|row| self.open(&row, sees_notes(caller)))?;
        Ok(tx.disclose(patient, |patient| Audit::read([&patient.id])).await?)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        mut record: CreatePatient,
    ) -> Result<Disclosed<Patient>, PatientError> {
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
    ) -> Result<Disclosed<Patient>, PatientError> {
        let UpdatePatient { version, mut record } = change;
        check(&record)?;
        let mut tx = self.database.write(caller).await?;
        let row = tx.lock::<PatientRow>(id).await?.ok_or(PatientError::NotFound)?;
        StaleVersion::check(version, row.version)?;
        let before = self.open(&row, true)?;
        // Before anything is compared with other patients', some of whom the caller may not see.
        let identified = !same(before.email.as_ref(), record.email.as_ref())
            || !same(before.national_id.as_ref(), record.national_id.as_ref());
        if identified && caller.may(Permission::PatientIdentify).is_err() {
            return Err(PatientError::IdentifierForbidden);
        }
        if !sees_notes(caller) {
            record.clinical_notes = before.clinical_notes.clone().map(Phi::into_inner);
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
            first_name: row.first_name.clone().into(),
            last_name: row.last_name.clone().into(),
            email: cipher.open("email", row.email_encrypted.as_deref())?,
            phone: cipher.open("phone", row.phone_encrypted.as_deref())?,
            date_of_birth: born
                .map(|date| date.try_map(|date| date.parse()))
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
        first_name: record.first_name.into(),
        last_name: record.last_name.into(),
        email: record.email.map(Phi::from),
        phone: record.phone.map(Phi::from),
        date_of_birth: record.date_of_birth.map(Phi::from),
        national_id: record.national_id.map(Phi::from),
        address: record.address.map(Phi::from),
        emergency_contact: record.emergency_contact.map(Phi::from),
        clinical_notes: record.clinical_notes.filter(|_| notes).map(Phi::from),
        version: written.version,
        created_at: written.created_at,
        updated_at: written.updated_at,
    }
}

fn changed_fields(before: &Patient, after: &CreatePatient) -> Vec<&'static str> {
    let compared = [
        ("first_name", before.first_name.get() == &after.first_name),
        ("last_name", before.last_name.get() == &after.last_name),
        ("email", same(before.email.as_ref(), after.email.as_ref())),
        ("phone", same(before.phone.as_ref(), after.phone.as_ref())),
        ("date_of_birth", same(before.date_of_birth.as_ref(), after.date_of_birth.as_ref())),
        ("national_id", same(before.national_id.as_ref(), after.national_id.as_ref())),
        ("address", same(before.address.as_ref(), after.address.as_ref())),
        ("emergency_contact", same(before.emergency_contact.as_ref(), after.emergency_contact.as_ref())),
        ("clinical_notes", same(before.clinical_notes.as_ref(), after.clinical_notes.as_ref())),
    ];
    compared.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// Returns true if a protected value is `other`.
fn same<T: PartialEq>(value: Option<&Phi<T>>, other: Option<&T>) -> bool {
    value.map(Phi::get) == other
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
