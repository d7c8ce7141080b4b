use chrono::{DateTime, Utc};
use server_shared::http::Paging;
use uuid::Uuid;

use super::{error::PatientError, model::PatientSort};
use crate::{
    database::{DatabaseError, DiscloseTx, Sealed, Tx, WriteTx, broken_constraint},
    encryption::NewKey,
    ids::{OrganizationId, PatientId, UserId},
};

/// A patient as it is stored: names in clear, the rest sealed with its own data key.
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
    pub(super) data_key_id: Uuid,
    pub(super) wrapped: Vec<u8>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// The values of a patient on their way into its row.
pub(super) struct SealedPatient<'a> {
    pub(super) first_name: &'a str,
    pub(super) last_name: &'a str,
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

/// Which rows a search takes; identifiers as blind indexes.
pub(super) struct PatientSearch {
    /// A pattern of LIKE.
    pub(super) name: Option<String>,
    pub(super) email_index: Option<Vec<u8>>,
    pub(super) phone_index: Option<Vec<u8>>,
    pub(super) national_id_index: Option<Vec<u8>>,
}

/// Locks against other changes; only what is written comes out again.
pub(super) async fn patient_lock(tx: &mut WriteTx, id: PatientId) -> Result<Option<PatientRow>, DatabaseError> {
    let row = sqlx::query_as!(
        PatientRow,
        r#"
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid,
               p.user_id as "user_id: UserId", p.first_name, p.last_name, p.email_encrypted, p.phone_encrypted,
               p.date_of_birth_encrypted, p.national_id_encrypted, p.address_encrypted, p.emergency_contact_encrypted,
               p.clinical_notes_encrypted, p.data_key_id, k.wrapped, p.version, p.created_at, p.updated_at
        from patients p
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.id = $1 and p.deleted_at is null
        for update of p
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

pub(super) async fn patient_get(
    tx: &mut DiscloseTx,
    id: PatientId,
) -> Result<Option<Sealed<PatientRow>>, DatabaseError> {
    let row = sqlx::query_as!(
        PatientRow,
        r#"
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid,
               p.user_id as "user_id: UserId", p.first_name, p.last_name, p.email_encrypted, p.phone_encrypted,
               p.date_of_birth_encrypted, p.national_id_encrypted, p.address_encrypted, p.emergency_contact_encrypted,
               p.clinical_notes_encrypted, p.data_key_id, k.wrapped, p.version, p.created_at, p.updated_at
        from patients p
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.id = $1 and p.deleted_at is null
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(Sealed::new))
}

pub(super) async fn patient_page(
    tx: &mut DiscloseTx,
    organization: OrganizationId,
    search: &PatientSearch,
    sort: PatientSort,
    paging: Paging,
) -> Result<Sealed<Vec<PatientRow>>, DatabaseError> {
    let rows = sqlx::query_as!(
        PatientRow,
        r#"
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid,
               p.user_id as "user_id: UserId", p.first_name, p.last_name, p.email_encrypted, p.phone_encrypted,
               p.date_of_birth_encrypted, p.national_id_encrypted, p.address_encrypted, p.emergency_contact_encrypted,
               p.clinical_notes_encrypted, p.data_key_id, k.wrapped, p.version, p.created_at, p.updated_at
        from patients p
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.organization_id = $1 and p.deleted_at is null
          and ($2::text is null or (p.first_name || ' ' || p.last_name) ilike $2)
          and ($3::bytea is null or p.email_index = $3)
          and ($4::bytea is null or p.phone_index = $4)
          and ($5::bytea is null or p.national_id_index = $5)
        order by case when $6 then p.created_at end desc, lower(p.last_name), lower(p.first_name), p.id
        limit $7 offset $8
        "#,
        organization.0,
        search.name,
        search.email_index,
        search.phone_index,
        search.national_id_index,
        sort == PatientSort::Newest,
        paging.limit(),
        paging.offset()
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(Sealed::new(rows))
}

pub(super) async fn patient_count(
    tx: &mut DiscloseTx,
    organization: OrganizationId,
    search: &PatientSearch,
) -> Result<i64, DatabaseError> {
    let total = sqlx::query_scalar!(
        r#"
        select count(*) as "total!" from patients p
        where p.organization_id = $1 and p.deleted_at is null
          and ($2::text is null or (p.first_name || ' ' || p.last_name) ilike $2)
          and ($3::bytea is null or p.email_index = $3)
          and ($4::bytea is null or p.phone_index = $4)
          and ($5::bytea is null or p.national_id_index = $5)
        "#,
        organization.0,
        search.name,
        search.email_index,
        search.phone_index,
        search.national_id_index
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(total)
}

/// What the database made of a new or changed row.
pub(super) struct Written {
    pub(super) id: PatientId,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Writes the patient and its data key. `None`: another patient has the e-mail address.
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
                              national_id_index)
        values ($1, $2, $3, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
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
        values.national_id_index
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(|error| DatabaseError::from(error).into())
}

/// Who has the e-mail address.
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
        values.national_id_index
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("patients_email_key") => PatientError::EmailTaken { patient_id: None },
        _ => DatabaseError::from(error).into(),
    })
}

/// Marks the patient deleted; gives the user it was linked to.
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

/// Makes the patient the user's own, unless it is somebody's; false when it is, or is not there. Run by the
/// owner of the table: no policy lets anybody else write this.
pub(super) async fn patient_link(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: PatientId,
    user: UserId,
) -> Result<bool, PatientError> {
    let done = sqlx::query!(
        r#"
        update patients set user_id = $3, version = version + 1, updated_at = now()
        where organization_id = $1 and id = $2 and user_id is null and deleted_at is null
        "#,
        organization.0,
        id.0,
        user.0
    )
    .execute(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("patients_user_key") => PatientError::UserTaken,
        // The membership has ended since it was looked for.
        Some("patients_user_fkey") => PatientError::NotFound,
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(done.rows_affected() == 1)
}

/// Takes the patient's login; run by the owner of the table.
pub(super) async fn patient_unlink(tx: &mut WriteTx, id: PatientId) -> Result<(), DatabaseError> {
    sqlx::query!("update patients set user_id = null, version = version + 1, updated_at = now() where id = $1", id.0)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

/// Returns true if the user is linked to a patient of the context's organization.
pub(super) async fn is_record_of(tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
    let is = sqlx::query_scalar!(
        r#"
        select exists (select from patients where organization_id = context_organization() and user_id = $1
                                              and deleted_at is null) as "is!"
        "#,
        user.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(is)
}

/// The user of a patient, whose row is kept from changing.
pub(super) async fn patient_user(tx: &mut impl Tx, id: PatientId) -> Result<Option<Option<UserId>>, DatabaseError> {
    let user = sqlx::query_scalar!(
        r#"select user_id as "user_id: UserId" from patients where id = $1 and deleted_at is null for share"#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(user)
}

/// The same, kept from everybody else who would change it.
pub(super) async fn patient_user_hold(
    tx: &mut WriteTx,
    id: PatientId,
) -> Result<Option<Option<UserId>>, DatabaseError> {
    let user = sqlx::query_scalar!(
        r#"select user_id as "user_id: UserId" from patients where id = $1 and deleted_at is null for update"#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(user)
}
