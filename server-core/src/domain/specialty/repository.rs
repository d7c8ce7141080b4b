use server_shared::http::Paging;

use super::{
    error::SpecialtyError,
    model::{Specialty, SpecialtyInput, SpecialtySort},
};
use crate::{
    database::{DatabaseError, OpenReader, Tx, broken_constraint},
    ids::{OrganizationId, SpecialtyId},
};

pub(super) async fn specialty_count(reader: &mut OpenReader, archived: bool) -> Result<i64, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let total = sqlx::query_scalar!(
        r#"
        select counted.total as "total!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select count(*) as total from specialties
            where organization_id = $2 and (archived_at is not null) = $6 and ctx offset 0
        ) counted
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        archived
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

pub(super) async fn specialty_page(
    reader: &mut OpenReader,
    archived: bool,
    sort: SpecialtySort,
    paging: Paging,
) -> Result<Vec<Specialty>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query_as!(
        Specialty,
        r#"
        select s.id as "id: SpecialtyId", s.name, s.description, s.archived_at, s.created_at, s.updated_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select id, name, description, archived_at, created_at, updated_at from specialties
            where organization_id = $2 and (archived_at is not null) = $6 and ctx
            order by case when $7 then lower(name) end desc, lower(name), id
            limit $8 offset $9
        ) s
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        archived,
        sort == SpecialtySort::NameDescending,
        paging.limit(),
        paging.offset()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

pub(super) async fn specialty_get(
    reader: &mut OpenReader,
    id: SpecialtyId,
) -> Result<Option<Specialty>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        Specialty,
        r#"
        select s.id as "id: SpecialtyId", s.name, s.description, s.archived_at, s.created_at, s.updated_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select id, name, description, archived_at, created_at, updated_at from specialties
            where id = $6 and ctx offset 0
        ) s
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

pub(super) async fn specialty_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    input: &SpecialtyInput,
) -> Result<Specialty, SpecialtyError> {
    sqlx::query_as!(
        Specialty,
        r#"
        insert into specialties (organization_id, name, description) values ($1, $2, $3)
        returning id as "id: SpecialtyId", name, description, archived_at, created_at, updated_at
        "#,
        organization.0,
        input.name,
        input.description
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(on_name)
}

/// Reads a specialty that is about to change, locked.
pub(super) async fn specialty_lock(tx: &mut impl Tx, id: SpecialtyId) -> Result<Option<Specialty>, DatabaseError> {
    let row = sqlx::query_as!(
        Specialty,
        r#"
        select id as "id: SpecialtyId", name, description, archived_at, created_at, updated_at
        from specialties where id = $1 for update
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

pub(super) async fn specialty_update(
    tx: &mut impl Tx,
    id: SpecialtyId,
    input: &SpecialtyInput,
) -> Result<Option<Specialty>, SpecialtyError> {
    sqlx::query_as!(
        Specialty,
        r#"
        update specialties set name = $2, description = $3, updated_at = now() where id = $1
        returning id as "id: SpecialtyId", name, description, archived_at, created_at, updated_at
        "#,
        id.0,
        input.name,
        input.description
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_name)
}

/// Archives the specialty if anything refers to it, else deletes it. Gives what it was; archiving
/// what is archived changes nothing.
pub(super) async fn specialty_delete(tx: &mut impl Tx, id: SpecialtyId) -> Result<Option<Specialty>, DatabaseError> {
    let row = sqlx::query_as!(
        Specialty,
        r#"
        update specialties s set archived_at = coalesce(s.archived_at, now()), updated_at = now() where s.id = $1
        returning s.id as "id: SpecialtyId", s.name, s.description, s.archived_at, s.created_at, s.updated_at
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    if row.is_some() {
        sqlx::query!(
            r#"
            delete from specialties s where s.id = $1
              and not exists (select from specialist_specialties x where x.organization_id = s.organization_id and x.specialty_id = s.id)
              and not exists (select from appointments a where a.organization_id = s.organization_id and a.specialty_id = s.id)
              and not exists (select from appointment_templates t
                              where t.organization_id = s.organization_id and t.specialty_id = s.id)
            "#,
            id.0
        )
        .execute(tx.connection()?)
        .await?;
    }
    Ok(row)
}

fn on_name(error: sqlx::Error) -> SpecialtyError {
    match broken_constraint(&error) {
        Some("specialties_name_key") => SpecialtyError::NameTaken,
        _ => DatabaseError::from(error).into(),
    }
}
