use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use uuid::Uuid;

use super::{
    access::Access,
    error::ProfileError,
    event::ProfileEvent,
    merge::{Change, changes},
    model::{Profile, UpdateProfile},
    owner::Owner,
    repository::{self, HeldOwner, NewValue, ProfileRows, Written},
    stored::{COLUMN, Given, Opener, PresentValue, ProfileEntry, TABLE, profile, text_of},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Lock, Sealed, Tx, WriteTx},
    domain::{custom_field::FieldEntity, patient, rules::StaleVersion},
    encryption::{Encryption, Holder, OpenKey, OrganizationKeys},
    identity::Caller,
    ids::{OrganizationId, PatientId},
};

/// Service for profiles.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    encryption: Arc<Encryption>,
    keys: OrganizationKeys,
}

/// Values of a write.
struct Write<'a> {
    values: &'a BTreeMap<String, Value>,
    /// Version that the write is based on.
    base: i64,
    /// Pointer of the values in the body.
    at: &'a str,
}

impl Service {
    pub(crate) fn new(database: Database, encryption: Arc<Encryption>, keys: OrganizationKeys) -> Self {
        Self { database, encryption, keys }
    }

    pub(super) async fn get<O: Owner>(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        owner: O,
    ) -> Result<Disclosed<Profile>, ProfileError> {
        let key = self.key(organization, O::ENTITY).await?;
        let mut tx = self.database.disclose(caller).await?;
        let rows = repository::profile_get(&mut tx, organization, O::ENTITY, owner.number()).await?;
        let Some(rows) = rows else { return Err(absent(&mut tx, owner).await) };
        if !rows.open {
            return Err(ProfileError::RecordClosed);
        }
        let (version, fields) = (rows.version, rows.fields);
        let opener = self.opener::<O>(caller, organization, key.as_ref());
        let sealed =
            Sealed::new(fields).try_map(|fields| Ok::<_, DatabaseError>(profile(version, opener.entries(fields)?)))?;
        Ok(tx.disclose(sealed, |_| Audit::read([&owner])).await?)
    }

    pub(super) async fn update<O: Owner>(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        owner: O,
        input: &UpdateProfile,
    ) -> Result<Disclosed<Profile>, ProfileError> {
        let key = self.key(organization, O::ENTITY).await?;
        let mut tx = self.database.write_locked(caller, vec![Lock::FieldsRead(organization)]).await?;
        let write = Write { values: &input.values, base: input.version, at: "/values" };
        let opener = self.opener::<O>(caller, organization, key.as_ref());
        let (profile, keys) = self.write(&mut tx, caller, &opener, owner, &write).await?;
        Ok(tx.commit_sealed(Sealed::new(profile), |_| ProfileEvent { of: owner, keys }).await?)
    }

    /// Gives a patient, whom the transaction has created, its first values; pointers of faults are below `at`. The
    /// transaction should hold [`Lock::FieldsRead`] from its begin. Returns the event for its commit; `None` without
    /// values.
    pub(crate) async fn first_values(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        values: &BTreeMap<String, Value>,
        at: &str,
    ) -> Result<Option<ProfileEvent<PatientId>>, ProfileError> {
        if values.is_empty() {
            return Ok(None);
        }
        let opener = self.opener::<PatientId>(caller, organization, None);
        let (_, keys) = self.write(tx, caller, &opener, patient, &Write { values, base: 0, at }).await?;
        Ok(Some(ProfileEvent { of: patient, keys }))
    }

    /// Returns the present values of those of a patient's custom fields with these keys that the caller reads and that
    /// are in use, within a transaction, which has to disclose them. Without values for a patient whom the caller does
    /// not see.
    pub(crate) async fn present_values(
        &self,
        tx: &mut impl Tx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        keys: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, PresentValue>, DatabaseError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = repository::profile_get(tx, organization, FieldEntity::Patient, patient.0).await?;
        let mut fields = rows.map(|rows| rows.fields).unwrap_or_default();
        fields.retain(|field| keys.contains(field.key.as_str()) && field.archived_at.is_none());
        let entries = self.opener::<PatientId>(caller, organization, None).entries(fields)?;
        Ok(entries.into_iter().filter_map(PresentValue::of).collect())
    }

    /// Writes values, and returns the profile with the keys of the changed ones.
    async fn write<O: Owner>(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        opener: &Opener<'_>,
        owner: O,
        write: &Write<'_>,
    ) -> Result<(Profile, Vec<String>), ProfileError> {
        let (held, version, rows) = hold(tx, opener.organization, owner).await?;
        let mut entries = opener.entries(rows.fields)?;
        let changes = changes(&entries, write.values, (write.base, version - 1), write.at)?;
        let keys = self.store(tx, caller, opener, owner, (&held, version), (&mut entries, &changes)).await?;
        Ok((profile(version, entries), keys))
    }

    /// Stores the changes of a profile that is held, and makes them in its entries; returns the keys of the fields.
    pub(super) async fn store<O: Owner>(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        opener: &Opener<'_>,
        owner: O,
        (held, version): (&HeldOwner, i64),
        (entries, changes): (&mut [ProfileEntry], &[Change]),
    ) -> Result<Vec<String>, ProfileError> {
        let organization = opener.organization;
        let sealing = self.sealing(organization, held, opener.key)?;
        for change in changes {
            let entry = &mut entries[change.entry];
            entry.given = Some(Given {
                uid: entry.given.as_ref().map_or_else(Uuid::now_v7, |given| given.uid),
                field_version: entry.version,
                field_type: entry.definition.field_type,
                unit: entry.definition.unit.as_ref().map(|unit| unit.as_str().to_owned()),
                value: change.value.clone(),
                changed_in: version,
                changed_at: held.now,
                changed_by: caller.user_id,
            });
        }
        let altered: Vec<&ProfileEntry> = changes.iter().map(|change| &entries[change.entry]).collect();
        let values: Vec<NewValue<'_>> = altered.iter().filter_map(|entry| new_value(entry, &sealing)).collect();
        if !values.is_empty() {
            let patient = held.patient_id.zip(held.data_key_id);
            let written = Written { organization, entity: O::ENTITY, owner: owner.number(), patient, version };
            repository::values_write(tx, &written, &values).await?;
        }
        Ok(altered.iter().map(|entry| entry.key.as_str().to_owned()).collect())
    }

    /// Returns the key of the organization, which seals the profiles of those who are no patients. Must be called
    /// before a transaction is open.
    async fn key(&self, organization: OrganizationId, entity: FieldEntity) -> Result<Option<OpenKey>, DatabaseError> {
        match entity {
            FieldEntity::Patient | FieldEntity::Appointment => Ok(None),
            FieldEntity::Specialist | FieldEntity::Organization => self.keys.of(organization).await.map(Some),
        }
    }

    /// Returns the key that new values are sealed under.
    fn sealing(
        &self,
        organization: OrganizationId,
        held: &HeldOwner,
        key: Option<&OpenKey>,
    ) -> Result<OpenKey, DatabaseError> {
        if let Some((id, wrapped)) = held.data_key_id.zip(held.wrapped.as_deref()) {
            return self.encryption.open(Holder::Record { organization, id }, wrapped);
        }
        key.cloned().ok_or_else(|| DatabaseError::Damaged("a profile has no key".to_owned()))
    }

    pub(super) fn opener<'a, O: Owner>(
        &'a self,
        caller: &Caller,
        organization: OrganizationId,
        key: Option<&'a OpenKey>,
    ) -> Opener<'a> {
        Opener { access: Access::of(caller), entity: O::ENTITY, organization, encryption: &self.encryption, key }
    }
}

/// Locks a profile for a write, and reads it; returns the version that the write makes, too.
pub(super) async fn hold<O: Owner>(
    tx: &mut WriteTx,
    organization: OrganizationId,
    owner: O,
) -> Result<(HeldOwner, i64, ProfileRows), ProfileError> {
    let held = repository::profile_hold(tx, organization, O::ENTITY, owner.number()).await?;
    let Some(held) = held else { return Err(absent(tx, owner).await) };
    if !held.open {
        return Err(ProfileError::RecordClosed);
    }
    // A statement of its own, which sees what the writes that this one has waited for left.
    let rows = repository::profile_get(tx, organization, O::ENTITY, owner.number()).await?;
    let Some(rows) = rows else { return Err(absent(tx, owner).await) };
    if !rows.open {
        return Err(ProfileError::RecordClosed);
    }
    let version = held.version.ok_or_else(O::not_found)?;
    if held.patient_id != rows.patient_id {
        // While this write waited for it, the appointment was given to another patient, so that the values are about
        // the one before, or its patient was merged. From now on, the appointment stays as it is.
        return Err(StaleVersion::now(version - 1).into());
    }
    Ok((held, version, rows))
}

/// Returns the error of a record that does not exist, was merged into another one, or that the caller does not see.
pub(super) async fn absent<O: Owner>(tx: &mut impl Tx, owner: O) -> ProfileError {
    if O::ENTITY == FieldEntity::Patient
        && let Err(merged) = patient::check_unmerged(tx, PatientId(owner.number())).await
    {
        return merged.into();
    }
    O::not_found()
}

/// Returns the row of an entry, its value sealed if it is protected health information.
fn new_value<'a>(entry: &'a ProfileEntry, key: &OpenKey) -> Option<NewValue<'a>> {
    let given = entry.given.as_ref()?;
    let phi = entry.definition.phi;
    let sealed = given.value.as_ref().filter(|_| phi).map(text_of);
    Some(NewValue {
        uid: given.uid,
        custom_field_id: entry.id,
        key: entry.key.as_str(),
        field_version: given.field_version,
        phi,
        sealed: key.row(TABLE, given.uid).seal(COLUMN, sealed.as_deref()),
        clear: given.value.as_ref().filter(|_| !phi),
    })
}
