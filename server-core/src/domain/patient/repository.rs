use chrono::{DateTime, Utc};
use server_shared::{
    http::{Paging, Total},
    value::{CountryCode, NameKeys},
};
use uuid::Uuid;

use super::{error::PatientError, locale::Locale, model::PatientSort};
use crate::{
    database::{Across, DatabaseError, DiscloseTx, Listed, Sealed, Tx, WriteTx, broken_constraint, unless_taken},
    encryption::{INDEXES_VERSION, NewKey},
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
    let mut list = tx.list()?;
    for word in &search.words {
        list = list.filter(
            "coalesce(name_folded, name_folded_roughly(first_name || ' ' || last_name)) like",
            Some(word.as_str()),
        );
    }
    list.filter("email_index =", search.email_index.as_deref())
        .any("phone_index", search.phone_indexes.as_deref())
        .filter("national_id_index =", search.national_id_index.as_deref())
        .rows(order, paging)
        .await
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
                              national_id_index, name_folded, name_sort, name_keys_version, indexes_version)
        values ($1, $2, $3, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
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
        INDEXES_VERSION
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
            name_folded = $14, name_sort = $15, name_keys_version = $16, indexes_version = $17, version = version + 1, updated_at = now()
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
        INDEXES_VERSION
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

/// Values of a patient that its blind indexes are made of.
pub(super) struct IndexedPatient {
    pub(super) id: PatientId,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) email_encrypted: Option<Vec<u8>>,
    pub(super) phone_encrypted: Option<Vec<u8>>,
    pub(super) email_index: Option<Vec<u8>>,
    pub(super) data_key_id: Uuid,
    pub(super) wrapped: Vec<u8>,
    /// Version of the record; the row is changed only if it still has it.
    pub(super) version: i64,
    /// Country of the organization.
    pub(super) country: Option<String>,
}

/// Blind indexes of a patient, to be stored in its row.
pub(super) struct NewIndexes {
    /// Values that they were made of.
    pub(super) read: IndexedPatient,
    pub(super) email_index: Option<Vec<u8>>,
    pub(super) phone_index: Option<Vec<u8>>,
}

/// Returns `true` if blind indexes of a patient may be out of date. Reads at most four entries of database indexes.
pub(super) async fn is_index_left(across: &Across) -> Result<bool, DatabaseError> {
    let left = sqlx::query_scalar!(
        r#"
        select exists (select from patients where indexes_version is null)
            or exists (select from patients where indexes_version < $1)
            or exists (select from patients where indexes_version > $1)
            or exists (select from organizations where country is distinct from phones_country) as "left!"
        "#,
        INDEXES_VERSION
    )
    .fetch_one(across.pool())
    .await?;
    Ok(left)
}

/// Counts the patients whose blind indexes are out of date.
pub(super) async fn indexes_left(across: &Across) -> Result<i64, DatabaseError> {
    let left = sqlx::query_scalar!(
        r#"
        select count(*) as "left!" from patients p join organizations o on o.id = p.organization_id
        where p.indexes_version is distinct from $1
           or p.phone_index is not null and o.country is distinct from o.phones_country
        "#,
        INDEXES_VERSION
    )
    .fetch_one(across.pool())
    .await?;
    Ok(left)
}

/// Reads patients with ids above `after` whose blind indexes are out of date, in the order of their ids.
pub(super) async fn indexes_page(
    across: &Across,
    after: PatientId,
    limit: i64,
) -> Result<Vec<IndexedPatient>, DatabaseError> {
    let rows = sqlx::query_as!(
        IndexedPatient,
        r#"
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid, p.email_encrypted,
               p.phone_encrypted, p.email_index, p.data_key_id, k.wrapped, p.version, o.country
        from patients p
        join organizations o on o.id = p.organization_id
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.id > $1
          and (p.indexes_version is distinct from $2
               or p.phone_index is not null and o.country is distinct from o.phones_country)
        order by p.id
        limit $3
        "#,
        after.0,
        INDEXES_VERSION,
        limit
    )
    .fetch_all(across.pool())
    .await?;
    Ok(rows)
}

/// Writes blind indexes and returns the number of changed rows. Writes nothing and returns `None` if two patients of an
/// organization would have the same e-mail address. Skips locked rows, so that two refreshes do not wait for each
/// other.
pub(super) async fn indexes_replace(across: &Across, rows: &[NewIndexes]) -> Result<Option<u64>, DatabaseError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.read.id.0).collect();
    let versions: Vec<i64> = rows.iter().map(|row| row.read.version).collect();
    let emails: Vec<Option<&[u8]>> = rows.iter().map(|row| row.email_index.as_deref()).collect();
    let phones: Vec<Option<&[u8]>> = rows.iter().map(|row| row.phone_index.as_deref()).collect();
    let done = sqlx::query!(
        "with held as (select id from patients where id = any($1) for no key update skip locked)
         update patients p set email_index = n.email_index, phone_index = n.phone_index, indexes_version = $5
         from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) as n (id, version, email_index, phone_index)
         where p.id = n.id and p.version = n.version and p.id in (select id from held)",
        &ids,
        &versions,
        emails as _,
        phones as _,
        INDEXES_VERSION
    )
    .execute(across.pool())
    .await;
    unless_taken(done)
}

/// States the version of rows whose indexes stay, and returns the ids of the rows written. Rows that others have locked
/// are left.
pub(super) async fn indexes_settle(across: &Across, rows: &[NewIndexes]) -> Result<Vec<i64>, DatabaseError> {
    let settled = sqlx::query_scalar(
        "with held as (select id from patients where id = any($1) for no key update skip locked)
         update patients p set indexes_version = $3 from unnest($1::bigint[], $2::bigint[]) as n (id, version)
         where p.id = n.id and p.version = n.version and p.id in (select id from held)
         returning p.id",
    )
    .bind(rows.iter().map(|row| row.read.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.read.version).collect::<Vec<_>>())
    .bind(INDEXES_VERSION)
    .fetch_all(across.pool())
    .await?;
    Ok(settled)
}

/// Country of an organization that has changed since the indexes of its patients were made.
pub(super) struct ChangedCountry {
    organization_id: OrganizationId,
    country: Option<String>,
}

/// Lists the organizations whose country changed more than a minute ago. By then, no transaction that read the previous
/// country is still running. Until then, each refresh computes the indexes of their patients again.
pub(super) async fn countries_changed(across: &Across) -> Result<Vec<ChangedCountry>, DatabaseError> {
    let rows = sqlx::query_as!(
        ChangedCountry,
        r#"
        select id as "organization_id: OrganizationId", country from organizations
        where country is distinct from phones_country and updated_at <= now() - interval '1 minute'
        "#
    )
    .fetch_all(across.pool())
    .await?;
    Ok(rows)
}

/// Records that the blind indexes of these organizations' patients match the country, unless it has changed again.
pub(super) async fn countries_settle(across: &Across, countries: &[ChangedCountry]) -> Result<(), DatabaseError> {
    for ChangedCountry { organization_id, country } in countries {
        sqlx::query!(
            "update organizations set phones_country = $2 where id = $1 and country is not distinct from $2",
            organization_id.0,
            country.as_deref()
        )
        .execute(across.pool())
        .await?;
    }
    Ok(())
}
