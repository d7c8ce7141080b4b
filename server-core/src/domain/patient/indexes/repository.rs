//! SQL of the refresh. It works for every organization, so it has no caller.

use uuid::Uuid;

use super::INDEXES_VERSION;
use crate::{
    database::{Across, DatabaseError, unless_taken},
    ids::{OrganizationId, PatientId},
};

/// Values of a patient that its blind indexes are made of.
pub(super) struct IndexedPatient {
    pub(super) id: PatientId,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email_encrypted: Option<Vec<u8>>,
    pub(super) phone_encrypted: Option<Vec<u8>>,
    pub(super) date_of_birth_encrypted: Option<Vec<u8>>,
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
    pub(super) name_birth_index: Option<Vec<u8>>,
}

impl NewIndexes {
    /// Begins with the values of a row, from which the indexes are yet to be made.
    pub(super) fn of(read: IndexedPatient) -> Self {
        Self { read, email_index: None, phone_index: None, name_birth_index: None }
    }
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
        select p.id as "id: PatientId", p.organization_id as "organization_id: OrganizationId", p.uid, p.first_name,
               p.last_name, p.email_encrypted, p.phone_encrypted, p.date_of_birth_encrypted, p.email_index,
               p.data_key_id, k.wrapped, p.version, o.country
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
    let births: Vec<Option<&[u8]>> = rows.iter().map(|row| row.name_birth_index.as_deref()).collect();
    let done = sqlx::query!(
        "with held as (select id from patients where id = any($1) for no key update skip locked)
         update patients p set email_index = n.email_index, phone_index = n.phone_index,
                               name_birth_index = n.name_birth_index, indexes_version = $5
         from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $6::bytea[])
             as n (id, version, email_index, phone_index, name_birth_index)
         where p.id = n.id and p.version = n.version and p.id in (select id from held)",
        &ids,
        &versions,
        emails as _,
        phones as _,
        INDEXES_VERSION,
        births as _
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
