use server_shared::http::Paging;

use super::{
    error::OrganizationError,
    model::{CreateOrganization, Organization, UpdateOrganization},
};
use crate::{
    database::{DatabaseError, OpenReader, Tx, broken_constraint},
    ids::OrganizationId,
};

pub(super) async fn organization_page(
    reader: &mut OpenReader,
    paging: Paging,
) -> Result<Vec<Organization>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query_as!(
        Organization,
        r#"
        select o.id as "id!: OrganizationId", o.name as "name!", o.slug as "slug!", o.timezone as "timezone!",
               o.clerk_id as clerk_organization_id,
               o.created_at as "created_at!", o.updated_at as "updated_at!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select * from visible_organizations() where ctx order by lower(name), id limit $6 offset $7
        ) o
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        paging.limit(),
        paging.offset()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

pub(super) async fn organization_count(reader: &mut OpenReader) -> Result<i64, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let total = sqlx::query_scalar!(
        r#"
        select counted.total as "total!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select count(*) as total from visible_organizations() where ctx offset 0) counted
        "#,
        user,
        organization,
        role,
        patient,
        specialist
    )
    .fetch_one(connection)
    .await?;
    Ok(total)
}

/// By slug, among those that the user may see.
pub(super) async fn organization_find(
    reader: &mut OpenReader,
    slug: &str,
) -> Result<Option<Organization>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        Organization,
        r#"
        select o.id as "id!: OrganizationId", o.name as "name!", o.slug as "slug!", o.timezone as "timezone!",
               o.clerk_id as clerk_organization_id,
               o.created_at as "created_at!", o.updated_at as "updated_at!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from visible_organizations() where slug = $6 and ctx offset 0) o
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        slug
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

pub(super) async fn organization_get(
    reader: &mut OpenReader,
    id: OrganizationId,
) -> Result<Option<Organization>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        Organization,
        r#"
        select o.id as "id: OrganizationId", o.name, o.slug, o.timezone, o.clerk_id as clerk_organization_id, o.created_at, o.updated_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select id, name, slug, timezone, clerk_id, created_at, updated_at from organizations where id = $6 and ctx offset 0
        ) o
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

pub(super) async fn organization_create(
    tx: &mut impl Tx,
    input: &CreateOrganization,
    slug: &str,
) -> Result<Organization, OrganizationError> {
    sqlx::query_as!(
        Organization,
        r#"
        insert into organizations (name, slug, timezone, clerk_id) values ($1, $2, $3, $4)
        returning id as "id: OrganizationId", name, slug, timezone, clerk_id as clerk_organization_id, created_at,
                  updated_at
        "#,
        input.name,
        slug,
        input.timezone,
        input.clerk_organization_id
    )
    .fetch_one(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("organizations_slug_key") => OrganizationError::SlugTaken,
        Some("organizations_clerk_key") => OrganizationError::ClerkOrganizationTaken,
        _ => DatabaseError::from(error).into(),
    })
}

/// Reads an organization that is about to change, locked.
pub(super) async fn organization_lock(
    tx: &mut impl Tx,
    id: OrganizationId,
) -> Result<Option<Organization>, DatabaseError> {
    let row = sqlx::query_as!(
        Organization,
        r#"
        select id as "id: OrganizationId", name, slug, timezone, clerk_id as clerk_organization_id, created_at,
               updated_at
        from organizations where id = $1 for update
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

pub(super) async fn organization_update(
    tx: &mut impl Tx,
    id: OrganizationId,
    input: &UpdateOrganization,
) -> Result<Option<Organization>, DatabaseError> {
    let row = sqlx::query_as!(
        Organization,
        r#"
        update organizations set name = $2, timezone = $3, updated_at = now() where id = $1
        returning id as "id: OrganizationId", name, slug, timezone, clerk_id as clerk_organization_id, created_at,
                  updated_at
        "#,
        id.0,
        input.name,
        input.timezone
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}
