//! Queries of `server-core bootstrap`, on the owner's connection.

use server_shared::value::NameKeys;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::ids::{OrganizationId, UserId};

/// Returns true if the session's role owns the tables, so that the owner's policy shows it every row.
pub(super) async fn owns_tables(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select pg_has_role(relowner, 'usage') as "owns!" from pg_class where oid = 'public.users'::regclass"#
    )
    .fetch_one(connection)
    .await
}

/// Waits until no other run is in progress.
pub(super) async fn turn_take(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('bootstrap', 0))").execute(tx).await?;
    Ok(())
}

/// Returns true if there is a superadmin.
pub(super) async fn superadmin_exists(tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select exists (select from users where superadmin) as "exists!""#).fetch_one(tx).await
}

/// Creates the clinic; `None` if the slug is taken, usually because the clinic exists already.
pub(super) async fn organization_create(
    tx: &mut PgConnection,
    slug: &str,
    name: &str,
    timezone: &str,
) -> Result<Option<OrganizationId>, sqlx::Error> {
    let keys = NameKeys::of(&[name]);
    sqlx::query_scalar!(
        r#"
        insert into organizations (name, slug, timezone, name_folded, name_sort, name_keys_version)
        values ($1, $2, $3, $4, $5, $6)
        on conflict on constraint organizations_slug_key do nothing
        returning id as "id: OrganizationId"
        "#,
        name,
        slug,
        timezone,
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_optional(tx)
    .await
}

/// Returns the clinic with this slug.
pub(super) async fn organization_find(tx: &mut PgConnection, slug: &str) -> Result<OrganizationId, sqlx::Error> {
    sqlx::query_scalar!(r#"select id as "id: OrganizationId" from organizations where slug = $1"#, slug)
        .fetch_one(tx)
        .await
}

/// Creates a user; `None` if one with this id at Clerk exists.
pub(super) async fn user_create(tx: &mut PgConnection, clerk_id: &str) -> Result<Option<UserId>, sqlx::Error> {
    // The identity provider's event brings the name.
    let keys = NameKeys::of(&[""]);
    sqlx::query_scalar!(
        r#"
        insert into users (clerk_id, name_folded, name_sort, name_keys_version) values ($1, $2, $3, $4)
        on conflict on constraint users_clerk_id_key do nothing
        returning id as "id: UserId"
        "#,
        clerk_id,
        keys.folded,
        keys.sort,
        keys.version
    )
    .fetch_optional(tx)
    .await
}

/// Locks and returns the user with this id at Clerk; `None` if the account was deleted.
pub(super) async fn user_lock(tx: &mut PgConnection, clerk_id: &str) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select id as "id: UserId" from users where clerk_id = $1 and deleted_at is null for update"#,
        clerk_id
    )
    .fetch_optional(tx)
    .await
}

/// Makes the user a superadmin, and the clinic the user's current organization unless there is one; returns `false` if
/// the user was a superadmin already.
pub(super) async fn superadmin_grant(
    tx: &mut PgConnection,
    user: UserId,
    organization: OrganizationId,
) -> Result<bool, sqlx::Error> {
    let granted = sqlx::query!(
        "update users
         set superadmin = true, current_organization_id = coalesce(current_organization_id, $2), updated_at = now()
         where id = $1 and not superadmin",
        user.0,
        organization.0
    )
    .execute(tx)
    .await?;
    Ok(granted.rows_affected() == 1)
}

/// Makes the user an administrator of the clinic, whatever role the user had; returns `false` if it was that already.
pub(super) async fn admin_put(
    tx: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, sqlx::Error> {
    let put = sqlx::query!(
        "insert into memberships (organization_id, user_id, role) values ($1, $2, 'admin')
         on conflict on constraint memberships_pkey do update set role = excluded.role
         where memberships.role <> excluded.role",
        organization.0,
        user.0
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update users set current_organization_id = $2, updated_at = now()
         where id = $1 and current_organization_id is null",
        user.0,
        organization.0
    )
    .execute(tx)
    .await?;
    Ok(put.rows_affected() == 1)
}

/// Appends audit rows by the statements of [`crate::audit::Audit`], whose payload is hexadecimal.
pub(super) async fn audit_append(tx: &mut PgConnection, statements: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(tx).await?;
    Ok(())
}
