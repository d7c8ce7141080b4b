use server_shared::{
    http::{Page, Paging},
    value::NameKeys,
};

use super::{
    error::SpecialistError,
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx},
    domain::rules::InvalidValue,
    ids::{OrganizationId, SpecialistId, SpecialtyId, UserId},
};

/// Expands to a checked statement that returns the specialist it wrote, without specialties, from its text before
/// `returning` and its arguments.
macro_rules! specialist_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Specialist,
            $statement
                + r#" returning id as "id: SpecialistId", user_id as "user_id: UserId", name, title,
                  array[]::bigint[] as "specialty_ids!: Vec<SpecialtyId>", timezone, bookable, created_at, updated_at"#,
            $($arguments)*
        )
    };
}

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
        SpecialistSort::Name => "name_sort, id",
        SpecialistSort::NameDescending => "name_sort desc nulls last, id desc",
    };
    reader
        .list()
        .among(
            "select x.specialist_id from specialist_specialties x \
             where x.organization_id = (select context_organization()) and x.specialty_id =",
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
    let keys = NameKeys::of(&[input.name.as_str()]);
    let mut row = specialist_written!(
        "insert into specialists (organization_id, name, title, timezone, bookable, name_folded, name_sort,
                                  name_keys_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        organization.0,
        input.name.as_str(),
        input.title.as_str(),
        input.timezone,
        input.bookable,
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(DatabaseError::from)?;
    row.specialty_ids = specialties_set(tx, organization, row.id, &input.specialty_ids).await?;
    Ok(row)
}

pub(super) async fn specialist_update(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    input: &SpecialistInput,
) -> Result<Option<Specialist>, SpecialistError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    let row = specialist_written!(
        "update specialists
         set name = $2, title = $3, timezone = $4, bookable = $5, name_folded = $6, name_sort = $7,
             name_keys_version = $8, updated_at = now()
         where id = $1 and deleted_at is null",
        id.0,
        input.name.as_str(),
        input.title.as_str(),
        input.timezone,
        input.bookable,
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(DatabaseError::from)?;
    let Some(mut row) = row else { return Ok(None) };
    row.specialty_ids = specialties_set(tx, organization, id, &input.specialty_ids).await?;
    Ok(Some(row))
}

/// Marks the specialist deleted and returns the user it was linked to; `None` if there is no such specialist.
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

/// Replaces the specialties of a specialist, in one statement. Archived ones cannot be added; those that the specialist
/// has already may stay.
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
