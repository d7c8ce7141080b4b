use std::sync::Arc;

use server_shared::{
    crypto::normalize_national_id,
    http::{Page, Paging},
    mark::Phi,
    value::{EmailAddress, Line, NameKeys, PhoneNumber, folded_words},
};
use uuid::Uuid;

use super::{
    duplicate::Alike,
    error::PatientError,
    event::PatientEvent,
    indexes::{index_email, index_name_birth},
    locale::Locale,
    merge::absent,
    model::{CreatePatient, Patient, PatientFilter, PatientSort, UpdatePatient, shown},
    repository::{self, PatientRow, PatientSearch, SealedPatient, Written},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Sealed, Tx, WriteTx},
    domain::{link::Links, rules::StaleVersion},
    encryption::{Encryption, Holder, OpenKey},
    identity::{Caller, Changed, Permission},
    ids::{OrganizationId, PatientId, UserId},
};

/// Table that sealed values are bound to.
pub(super) const TABLE: &str = "patients";

/// Service for patients.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
    pub(super) encryption: Arc<Encryption>,
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
        let mut tx = self.database.disclose(caller).await?;
        let search = self.search(&mut tx, organization, filter).await?;
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
        let Some(row) = tx.get::<PatientRow>(id).await? else { return Err(absent(&mut tx, id).await) };
        let patient = row.try_map(|row| self.open(&row, sees_notes(caller)))?;
        Ok(tx.disclose(patient, |patient| Audit::read([&patient.id])).await?)
    }

    /// Reads a patient within a transaction, without clinical notes, for answers that are taken from the record; the
    /// transaction has to disclose them. `None` if the caller sees no such patient.
    pub(crate) async fn record(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        id: PatientId,
    ) -> Result<Option<Patient>, DatabaseError> {
        let row = repository::patient_row(tx, organization, id).await?;
        row.map(|row| self.open(&row, false)).transpose()
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        record: CreatePatient,
    ) -> Result<Disclosed<Patient>, PatientError> {
        let mut tx = self.database.write(caller).await?;
        let phone = locale(&mut tx, organization, Locale::matters(&record)).await?.check(&record, None)?;
        let (patient, _) = self.insert(&mut tx, caller, organization, record, phone).await?;
        Ok(tx.commit_sealed(Sealed::new(patient), |patient| PatientEvent::Created(patient.id)).await?)
    }

    /// Inserts a patient within a write; `phone` is the key of its telephone number. Returns it with the indexes by
    /// which another record of the same person is found.
    pub(super) async fn insert(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        mut record: CreatePatient,
        phone: Option<String>,
    ) -> Result<(Patient, Alike), PatientError> {
        if !sees_notes(caller) {
            record.clinical_notes = None;
        }
        let uid = Uuid::now_v7();
        let key = self.encryption.create(Holder::Record { organization, id: Uuid::now_v7() });
        let values = self.seal(organization, uid, &key.key, &record, phone);
        let Some(written) = repository::patient_create(tx, organization, uid, &key, &values).await? else {
            let index = values.email_index.unwrap_or_default();
            // A caller who may not read the other patient is not told which one it is.
            let patient_id = if caller.may(Permission::PatientRead).is_ok() {
                repository::patient_by_email(tx, organization, &index).await?
            } else {
                None
            };
            return Err(PatientError::EmailTaken { patient_id });
        };
        let digits = record.phone.as_ref().map(|phone| PhoneNumber::key_of(phone.as_str(), None));
        let digits = digits.map(|key| self.encryption.index(organization, "phone", &key));
        let SealedPatient { name_birth_index, phone_index, national_id_index, .. } = values;
        let alike = Alike {
            name_birth: name_birth_index,
            phones: phone_index.into_iter().chain(digits).collect(),
            national_id: national_id_index,
        };
        Ok((patient(uid, None, record, &written, sees_notes(caller)), alike))
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        id: PatientId,
        change: UpdatePatient,
    ) -> Result<Disclosed<Patient>, PatientError> {
        let UpdatePatient { version, mut record } = change;
        let mut tx = self.database.write(caller).await?;
        let Some(row) = tx.lock::<PatientRow>(id).await? else { return Err(absent(&mut tx, id).await) };
        StaleVersion::check(version, row.version)?;
        let before = self.open(&row, true)?;
        // Comes before any comparison with other patients, some of whom the caller may not see.
        let (email, national_id) = (before.email.as_ref(), before.national_id.as_ref());
        // Normalizes the stored text like the text of a request before the comparison.
        let identified = email.map(|email| EmailAddress::parse(email.get())) != record.email.clone().map(Some)
            || national_id.map(|id| Line::parse(id.get())) != record.national_id.clone().map(Some);
        if identified && caller.may(Permission::PatientIdentify).is_err() {
            return Err(PatientError::IdentifierForbidden);
        }
        if !sees_notes(caller) {
            record.clinical_notes = None;
        }
        let stored = before.phone.as_ref().map(|phone| phone.get().as_str());
        let phone = locale(&mut tx, row.organization_id, Locale::matters(&record)).await?.check(&record, stored)?;
        let mut values = self.seal(row.organization_id, row.uid, &self.key(&row)?, &record, phone);
        if !sees_notes(caller) {
            // Keeps the stored ciphertext: sealing again would change its bytes, and the database refuses a change of
            // the notes by this caller.
            values.clinical_notes.clone_from(&row.clinical_notes_encrypted);
        }
        let key = |email: &str| EmailAddress::key_of(email);
        if email.map(|email| key(email.get())) == record.email.as_ref().map(|email| key(email.as_str())) {
            // Of two patients whose addresses have become equal, one has another index than its address.
            values.email_index.clone_from(&row.email_index);
        }
        let written = repository::patient_update(&mut tx, id, &values).await?;
        let changed = changed_fields(&before, &record, sees_notes(caller));
        let patient = Sealed::new(patient(row.uid, row.user_id, record, &written, sees_notes(caller)));
        Ok(tx.commit_sealed(patient, |patient| PatientEvent::Updated(patient.id, changed)).await?)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: PatientId) -> Result<(), PatientError> {
        let mut tx = self.database.write(caller).await?;
        let Some(linked) = repository::patient_delete(&mut tx, id).await? else {
            return Err(absent(&mut tx, id).await);
        };
        if let Some(user) = linked {
            tx.changed(Changed::User(user));
        }
        tx.commit(PatientEvent::Deleted(id)).await?;
        Ok(())
    }

    /// Unlinks a patient from its user.
    pub(crate) async fn unlink(&self, caller: &Caller, id: PatientId) -> Result<(), PatientError> {
        match self.links.unlink(caller, id).await {
            Err(PatientError::NotFound) => {
                let mut tx = self.database.write(caller).await?;
                Err(absent(&mut tx, id).await)
            }
            done => done,
        }
    }

    /// Returns the conditions of a filter, with the blind indexes of the values that it names.
    pub(super) async fn search(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        filter: &PatientFilter,
    ) -> Result<PatientSearch, DatabaseError> {
        let index = |column: &str, value: String| self.encryption.index(organization, column, &value);
        let phone_indexes = match &filter.phone {
            None => None,
            Some(phone) => {
                let country = locale(tx, organization, phone.is_national()).await?.country;
                let keys = [country, None].map(|country| PhoneNumber::key_of(phone.as_str(), country));
                Some(keys.map(|key| index("phone", key)).to_vec())
            }
        };
        let words = filter.search.as_ref().map(|search| searched_words(search.as_str())).unwrap_or_default();
        let national_id = filter.national_id.as_ref().map(|id| normalize_national_id(id.as_str()));
        Ok(PatientSearch {
            words: words.iter().map(|word| contains_pattern(word)).collect(),
            email_index: filter.email.as_ref().map(|email| index_email(&self.encryption, organization, email.as_str())),
            phone_indexes,
            national_id_index: national_id.map(|id| index("national_id", id)),
        })
    }

    /// Seals the values of a record; `phone` is the key of its telephone number.
    fn seal<'a>(
        &self,
        organization: OrganizationId,
        uid: Uuid,
        key: &OpenKey,
        record: &'a CreatePatient,
        phone: Option<String>,
    ) -> SealedPatient<'a> {
        let cipher = key.row(TABLE, uid);
        let born = record.date_of_birth.map(|date| date.to_string());
        let index = |column: &str, value: String| self.encryption.index(organization, column, &value);
        let national_id = record.national_id.as_ref().map(Line::as_str);
        let (first_name, last_name) = (record.first_name.as_str(), record.last_name.as_str());
        SealedPatient {
            first_name,
            last_name,
            keys: NameKeys::of(&[last_name, first_name]),
            email: cipher.seal("email", record.email.as_ref().map(EmailAddress::as_str)),
            phone: cipher.seal("phone", record.phone.as_ref().map(PhoneNumber::as_str)),
            date_of_birth: cipher.seal("date_of_birth", born.as_deref()),
            national_id: cipher.seal("national_id", national_id),
            address: cipher.seal("address", record.address.as_ref().map(AsRef::as_ref)),
            emergency_contact: cipher.seal("emergency_contact", record.emergency_contact.as_ref().map(AsRef::as_ref)),
            clinical_notes: cipher.seal("clinical_notes", record.clinical_notes.as_ref().map(AsRef::as_ref)),
            email_index: record.email.as_ref().map(|email| index_email(&self.encryption, organization, email.as_str())),
            phone_index: phone.map(|key| index("phone", key)),
            national_id_index: national_id.map(|id| index("national_id", normalize_national_id(id))),
            name_birth_index: record
                .date_of_birth
                .map(|born| index_name_birth(&self.encryption, organization, (first_name, last_name), born)),
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
        first_name: record.first_name.into_inner().into(),
        last_name: record.last_name.into_inner().into(),
        email: shown(record.email),
        phone: shown(record.phone),
        date_of_birth: record.date_of_birth.map(Phi::from),
        national_id: shown(record.national_id),
        address: shown(record.address),
        emergency_contact: shown(record.emergency_contact),
        clinical_notes: shown(record.clinical_notes.filter(|_| notes)),
        version: written.version,
        created_at: written.created_at,
        updated_at: written.updated_at,
    }
}

/// Returns the names of the changed fields. Notes count only if the caller may change them.
fn changed_fields(before: &Patient, after: &CreatePatient, notes: bool) -> Vec<&'static str> {
    let born = before.date_of_birth.as_ref().map(Phi::get) == after.date_of_birth.as_ref();
    let compared = [
        ("first_name", before.first_name.get() == after.first_name.as_str()),
        ("last_name", before.last_name.get() == after.last_name.as_str()),
        ("email", same(before.email.as_ref(), after.email.as_ref())),
        ("phone", same(before.phone.as_ref(), after.phone.as_ref())),
        ("date_of_birth", born),
        ("national_id", same(before.national_id.as_ref(), after.national_id.as_ref())),
        ("address", same(before.address.as_ref(), after.address.as_ref())),
        ("emergency_contact", same(before.emergency_contact.as_ref(), after.emergency_contact.as_ref())),
        ("clinical_notes", !notes || same(before.clinical_notes.as_ref(), after.clinical_notes.as_ref())),
    ];
    compared.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

/// Returns `true` if a protected text equals `other`.
fn same(value: Option<&Phi<String>>, other: Option<&impl AsRef<str>>) -> bool {
    value.map(|value| value.get().as_str()) == other.map(AsRef::as_ref)
}

/// Reads time zone and country of the organization if `matters` is `true`; this costs a round trip.
pub(super) async fn locale(
    tx: &mut impl Tx,
    organization: OrganizationId,
    matters: bool,
) -> Result<Locale, DatabaseError> {
    if matters { repository::locale_get(tx, organization).await } else { Ok(Locale::ANY) }
}

/// Returns the words that a name must contain. A text of which folding leaves nothing is in no name.
fn searched_words(text: &str) -> Vec<String> {
    let words = folded_words(text);
    if words.is_empty() && !text.is_empty() { vec![text.to_owned()] } else { words }
}

/// Returns a LIKE pattern for texts that contain `text`; wildcards in `text` are escaped.
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
}
