use chrono::{DateTime, Utc};
use server_shared::{
    http::{Paging, Total},
    value::{CountryCode, NameKeys},
};
use uuid::Uuid;

use super::{error::PatientError, indexes::INDEXES_VERSION, locale::Locale, model::PatientSort};
use crate::{
    database::{DatabaseError, DiscloseTx, List, Listed, Sealed, Tx, WriteTx, broken_constraint},
    encryption::NewKey,
    ids::{OrganizationId, PatientId, UserId},
};

/// Stored patient: names in the clear, other values sealed with the patient's own data key.
#[derive(sqlx::FromRow)]
pub(super) struct PatientRow {
    pub(super) id: PatientId,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) user_id: Option<UserId>,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email_encrypted: Option<Vec<u8>>,
    pub(super) phone_encrypted: Option<Vec<u8>>,
    pub(super) date_of_birth_encrypted: Option<Vec<u8>>,
    pub(super) national_id_encrypted: Option<Vec<u8>>,
    pub(super) address_encrypted: Option<Vec<u8>>,
    pub(super) emergency_contact_encrypted: Option<Vec<u8>>,
    pub(super) clinical_notes_encrypted: Option<Vec<u8>>,
    pub(super) email_index: Option<Vec<u8>>,
    pub(super) data_key_id: Uuid,
    pub(super) wrapped: Vec<u8>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Values of a patient, sealed for its row.
pub(super) struct SealedPatient<'a> {
    pub(super) first_name: &'a str,
    pub(super) last_name: &'a str,
    pub(super) keys: NameKeys,
    pub(super) email: Option<Vec<u8>>,
    pub(super) phone: Option<Vec<u8>>,
    pub(super) date_of_birth: Option<Vec<u8>>,
    pub(super) national_id: Option<Vec<u8>>,
    pub(super) address: Option<Vec<u8>>,
    pub(super) emergency_contact: Option<Vec<u8>>,
    pub(super) clinical_notes: Option<Vec<u8>>,
    pub(super) email_index: Option<Vec<u8>>,
    pub(super) phone_index: Option<Vec<u8>>,
    pub(super) national_id_index: Option<Vec<u8>>,
    pub(super) name_birth_index: Option<Vec<u8>>,
}

/// Conditions of a search, with e-mail address, telephone number and national id as blind indexes.
pub(super) struct PatientSearch {
    /// LIKE patterns, all of which the name must match.
    pub(super) words: Vec<String>,
    pub(super) email_index: Option<Vec<u8>>,
    /// Indexes of the number, read with the organization's country and, for rows that were indexed without a country,
    /// without one.
    pub(super) phone_indexes: Option<Vec<Vec<u8>>>,
    pub(super) national_id_index: Option<Vec<u8>>,
}

impl Listed for PatientRow {
    const TABLE: &'static str = "patients";
    const COLUMNS: &'static str = "id, organization_id, uid, user_id, first_name, last_name, email_encrypted, \
                                   phone_encrypted, date_of_birth_encrypted, national_id_encrypted, address_encrypted, \
                                   emergency_contact_encrypted, clinical_notes_encrypted, email_index, \
                                   data_key_id, (select k.wrapped from data_keys k \
                                    where k.organization_id = patients.organization_id \
                                      and k.id = patients.data_key_id) as wrapped, \
                                   version, created_at, updated_at";
    const PRESENT: &'static str = "deleted_at is null";
}

/// Reads a patient in a transaction of any kind, for a value that is made of the record; `None` if the caller sees no
/// such patient.
pub(super) async fn patient_row(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: PatientId,
) -> Result<Option<PatientRow>, DatabaseError> {
    let row = sqlx::query_as!(
        PatientRow,
        r#"
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid,
               p.user_id as "user_id: UserId", p.first_name, p.last_name, p.email_encrypted, p.phone_encrypted,
               p.date_of_birth_encrypted, p.national_id_encrypted, p.address_encrypted, p.emergency_contact_encrypted,
               p.clinical_notes_encrypted, p.email_index, p.data_key_id, k.wrapped, p.version, p.created_at,
               p.updated_at
        from patients p
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.organization_id = $1 and p.id = $2 and p.deleted_at is null
        "#,
        organization.0,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Reads a page of patients and the total number.
///
/// Names without keys, which a process of the previous version wrote, are folded by SQL and sort last.
pub(super) async fn patient_page(
    tx: &mut DiscloseTx,
    search: &PatientSearch,
    sort: PatientSort,
    paging: Paging,
) -> Result<Sealed<(Vec<PatientRow>, Total)>, DatabaseError> {
    let order = match sort {
        PatientSort::LastName => "name_sort, id",
        PatientSort::Newest => "created_at desc, name_sort, id",
    };
    tx.list()?.narrowed(|list| searched(list, search)).rows(order, paging).await
}

/// Restricts a read of patients to those that a search is for.
pub(super) fn searched<'c>(mut list: List<'c>, search: &PatientSearch) -> List<'c> {
    for word in &search.words {
        list = list.filter(
            "coalesce(name_folded, name_folded_roughly(first_name || ' ' || last_name)) like",
            Some(word.as_str()),
        );
    }
    list.filter("email_index =", search.email_index.as_deref())
        .any("phone_index", search.phone_indexes.as_deref())
        .filter("national_id_index =", search.national_id_index.as_deref())
}

/// Reads the time zone and the country of an organization.
pub(super) async fn locale_get(tx: &mut impl Tx, organization: OrganizationId) -> Result<Locale, DatabaseError> {
    let row = sqlx::query!("select timezone, country from organizations where id = $1", organization.0)
        .fetch_one(tx.connection()?)
        .await?;
    let zone = row
        .timezone
        .parse()
        .map_err(|_| DatabaseError::Damaged(format!("the time zone of organization {organization} is none")))?;
    Ok(Locale { zone, country: row.country.as_deref().and_then(CountryCode::parse) })
}

/// Values that the database sets in a new or changed row.
pub(super) struct Written {
    pub(super) id: PatientId,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Inserts the patient and its data key; `None` if another patient has the e-mail address.
pub(super) async fn patient_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    uid: Uuid,
    key: &NewKey,
    values: &SealedPatient<'_>,
) -> Result<Option<Written>, PatientError> {
    sqlx::query_as!(
        Written,
        r#"
        with key as (
            insert into data_keys (id, organization_id, wrapped) values ($3, $1, $4)
        )
        insert into patients (organization_id, uid, data_key_id, first_name, last_name, email_encrypted,
                              phone_encrypted, date_of_birth_encrypted, national_id_encrypted, address_encrypted,
                              emergency_contact_encrypted, clinical_notes_encrypted, email_index, phone_index,
                              national_id_index, name_folded, name_sort, name_keys_version, indexes_version,
                              name_birth_index)
        values ($1, $2, $3, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
        on conflict (organization_id, email_index) where deleted_at is null do nothing
        returning id as "id: PatientId", version, created_at, updated_at
        "#,
        organization.0,
        uid,
        key.id,
        key.wrapped,
        values.first_name,
        values.last_name,
        values.email,
        values.phone,
        values.date_of_birth,
        values.national_id,
        values.address,
        values.emergency_contact,
        values.clinical_notes,
        values.email_index,
        values.phone_index,
        values.national_id_index,
        values.keys.folded,
        values.keys.sort,
        values.keys.version,
        INDEXES_VERSION,
        values.name_birth_index
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(|error| DatabaseError::from(error).into())
}

/// Finds the patient that has the e-mail address.
pub(super) async fn patient_by_email(
    tx: &mut WriteTx,
    organization: OrganizationId,
    email_index: &[u8],
) -> Result<Option<PatientId>, DatabaseError> {
    let id = sqlx::query_scalar!(
        r#"
        select id as "id: PatientId" from patients
        where organization_id = $1 and email_index = $2 and deleted_at is null
        "#,
        organization.0,
        email_index
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(id)
}

pub(super) async fn patient_update(
    tx: &mut WriteTx,
    id: PatientId,
    values: &SealedPatient<'_>,
) -> Result<Written, PatientError> {
    sqlx::query_as!(
        Written,
        r#"
        update patients
        set first_name = $2, last_name = $3, email_encrypted = $4, phone_encrypted = $5, date_of_birth_encrypted = $6,
            national_id_encrypted = $7, address_encrypted = $8, emergency_contact_encrypted = $9,
            clinical_notes_encrypted = $10, email_index = $11, phone_index = $12, national_id_index = $13,
            name_folded = $14, name_sort = $15, name_keys_version = $16, indexes_version = $17, name_birth_index = $18,
            version = version + 1, updated_at = now()
        where id = $1
        returning id as "id: PatientId", version, created_at, updated_at
        "#,
        id.0,
        values.first_name,
        values.last_name,
        values.email,
        values.phone,
        values.date_of_birth,
        values.national_id,
        values.address,
        values.emergency_contact,
        values.clinical_notes,
        values.email_index,
        values.phone_index,
        values.national_id_index,
        values.keys.folded,
        values.keys.sort,
        values.keys.version,
        INDEXES_VERSION,
        values.name_birth_index
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("patients_email_key") => PatientError::EmailTaken { patient_id: None },
        _ => DatabaseError::from(error).into(),
    })
}

/// Marks the patient deleted and returns the user that it was linked to.
pub(super) async fn patient_delete(tx: &mut WriteTx, id: PatientId) -> Result<Option<Option<UserId>>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        update patients set deleted_at = now(), version = version + 1, updated_at = now()
        where id = $1 and deleted_at is null
        returning user_id as "user_id: UserId"
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| row.user_id))
}
