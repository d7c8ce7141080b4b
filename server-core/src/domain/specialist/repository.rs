use server_shared::http::{Page, Paging};

use super::{
    error::SpecialistError,
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx, broken_constraint},
    domain::rules::InvalidValue,
    ids::{OrganizationId, SpecialistId, SpecialtyId, UserId},
};

impl Listed for Specialist {
    const TABLE: &'static str = "specialists";
    const COLUMNS: &'static str = "id, user_id, name, title, timezone, bookable, created_at, updated_at, \
                                   array(select x.specialty_id from specialist_specialties x \
                                         where x.organization_id = specialists.organization_id \
                                           and x.specialist_id = specialists.id \
                                         order by x.specialty_id) as specialty_ids";
    const PRESENT: &'static str = "deleted_at is null";
}

pub(super) async fn specialist_page(
    reader: &mut OpenReader,
    filter: SpecialistFilter,
    sort: SpecialistSort,
    paging: Paging,
) -> Result<Page<Specialist>, DatabaseError> {
    let order = match sort {
        SpecialistSort::Name => "lower(name), id",
        SpecialistSort::NameDescending => "lower(name) desc, id",
    };
    reader
        .list()
        .among(
            "select x.specialist_id from specialist_specialties x \
             where x.organization_id = specialists.organization_id and x.specialty_id =",
            filter.specialty_id,
        )
        .filter("bookable =", filter.bookable)
        .page(order, paging)
        .await
}

pub(super) async fn specialist_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    input: &SpecialistInput,
) -> Result<Specialist, SpecialistError> {
    let mut row = sqlx::query_as!(
        Specialist,
        r#"
        insert into specialists (organization_id, name, title, timezone, bookable) values ($1, $2, $3, $4, $5)
        returning id as "id: SpecialistId", user_id as "user_id: UserId", name, title,
                  array[]::bigint[] as "specialty_ids!: Vec<SpecialtyId>", timezone, bookable, created_at, updated_at
        "#,
        organization.0,
        input.name,
        input.title,
        input.timezone,
        input.bookable
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(DatabaseError::from)?;
    row.specialty_ids = specialties_set(tx, organization, row.id, &input.specialty_ids).await?;
    Ok(row)
}

/// Whether `id` is a specialist the caller may see, and which user it is linked to.
pub(super) async fn specialist_user(
    tx: &mut impl Tx,
    id: SpecialistId,
) -> Result<Option<Option<UserId>>, DatabaseError> {
    let row = sqlx::query!(
        r#"select user_id as "user_id: UserId" from specialists where id = $1 and deleted_at is null for update"#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| row.user_id))
}

pub(super) async fn specialist_update(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    input: &SpecialistInput,
) -> Result<Option<Specialist>, SpecialistError> {
    let row = sqlx::query_as!(
        Specialist,
        r#"
        update specialists
        set name = $2, title = $3, timezone = $4, bookable = $5, updated_at = now()
        where id = $1 and deleted_at is null
        returning id as "id: SpecialistId", user_id as "user_id: UserId", name, title,
                  array[]::bigint[] as "specialty_ids!: Vec<SpecialtyId>", timezone, bookable, created_at, updated_at
        "#,
        id.0,
        input.name,
        input.title,
        input.timezone,
        input.bookable
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(DatabaseError::from)?;
    let Some(mut row) = row else { return Ok(None) };
    row.specialty_ids = specialties_set(tx, organization, id, &input.specialty_ids).await?;
    Ok(Some(row))
}

/// Marks the specialist deleted; gives the user it was linked to.
pub(super) async fn specialist_delete(
    tx: &mut impl Tx,
    id: SpecialistId,
) -> Result<Option<Option<UserId>>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        update specialists set deleted_at = now(), bookable = false, updated_at = now()
        where id = $1 and deleted_at is null
        returning user_id as "user_id: UserId"
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| row.user_id))
}

/// Replaces which specialties a specialist practises, in one statement. Archived ones can't be
/// chosen, but those it has already may stay.
async fn specialties_set(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    wanted: &[SpecialtyId],
) -> Result<Vec<SpecialtyId>, SpecialistError> {
    let wanted: Vec<i64> = wanted.iter().map(|id| id.0).collect();
    let held = sqlx::query_scalar!(
        r#"
        with valid as (
            select s.id from specialties s
            where s.organization_id = $1 and s.id = any($3::bigint[])
              and (s.archived_at is null or exists (
                  select from specialist_specialties x
                  where x.organization_id = $1 and x.specialist_id = $2 and x.specialty_id = s.id))
        ), removed as (
            delete from specialist_specialties x
            where x.organization_id = $1 and x.specialist_id = $2 and x.specialty_id <> all($3::bigint[])
        ), added as (
            insert into specialist_specialties (organization_id, specialist_id, specialty_id)
            select $1, $2, id from valid on conflict do nothing
        )
        select id as "id: SpecialtyId" from valid order by id
        "#,
        organization.0,
        id.0,
        &wanted
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(DatabaseError::from)?;
    if held.len() == wanted.len() {
        return Ok(held);
    }
    let unknown = wanted.iter().position(|id| !held.iter().any(|held| held.0 == *id)).unwrap_or_default();
    let pointer = format!("/specialty_ids/{unknown}");
    Err(InvalidValue::new(&pointer, "unknown_reference", "is no specialty in use of this organization").into())
}

/// Makes the specialist the user's own, unless it is somebody's; false when it is, or is not there. Run by
/// the owner of the table: no policy lets anybody else write this.
pub(super) async fn specialist_link(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    user: UserId,
) -> Result<bool, SpecialistError> {
    let done = sqlx::query!(
        r#"
        update specialists set user_id = $3, updated_at = now()
        where organization_id = $1 and id = $2 and user_id is null and deleted_at is null
        "#,
        organization.0,
        id.0,
        user.0
    )
    .execute(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("specialists_user_key") => SpecialistError::UserTaken,
        // The membership has ended since it was looked for.
        Some("specialists_user_fkey") => SpecialistError::NotFound,
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(done.rows_affected() == 1)
}

/// Takes the specialist's login; run by the owner of the table.
pub(super) async fn specialist_unlink(tx: &mut impl Tx, id: SpecialistId) -> Result<(), DatabaseError> {
    sqlx::query!("update specialists set user_id = null, updated_at = now() where id = $1", id.0)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

/// Returns true if the user is linked to a specialist of the context's organization.
pub(super) async fn is_record_of(tx: &mut impl Tx, user: UserId) -> Result<bool, DatabaseError> {
    let is = sqlx::query_scalar!(
        r#"
        select exists (select from specialists where organization_id = context_organization() and user_id = $1
                                                 and deleted_at is null) as "is!"
        "#,
        user.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(is)
}
