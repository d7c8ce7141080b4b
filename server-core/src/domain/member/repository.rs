use chrono::{DateTime, Utc};
use server_shared::http::{Paging, Total};
use uuid::Uuid;

use super::{
    ended::{Ended, EndedKind},
    error::MemberError,
    model::MemberRole,
};
use crate::{
    database::{DatabaseError, DiscloseTx, Listed, Sealed, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, SpecialistId, UserId},
};

/// Stored member; the e-mail address is encrypted with the user's key.
#[derive(sqlx::FromRow)]
pub(super) struct MemberRow {
    pub(super) user_id: UserId,
    pub(super) uid: Uuid,
    pub(super) name: String,
    pub(super) data_key_wrapped: Option<Vec<u8>>,
    pub(super) email_encrypted: Option<Vec<u8>>,
    pub(super) role: String,
    pub(super) since: DateTime<Utc>,
}

impl Listed for MemberRow {
    const TABLE: &'static str = "organization_members()";
    const COLUMNS: &'static str = "user_id, uid, name, data_key_wrapped, email_encrypted, role, since";
    const PRESENT: &'static str = "true";
    const KEY: &'static str = "user_id";
    const OF_ORGANIZATIONS: bool = false;
}

/// Reads a page of members, sorted by name, and their total number.
pub(super) async fn member_page(
    tx: &mut DiscloseTx,
    paging: Paging,
) -> Result<Sealed<(Vec<MemberRow>, Total)>, DatabaseError> {
    tx.list()?.rows("name_sort, user_id", paging).await
}

/// Returns true if an organization that the context shows has this administrator and no other.
pub(super) async fn is_last_admin(tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
    let last = sqlx::query_scalar!(
        r#"
        select exists (
            select from memberships m
            where m.user_id = $1 and m.role = 'admin'
              and not exists (select from memberships o where o.organization_id = m.organization_id
                                                          and o.role = 'admin' and o.user_id <> $1)) as "last!"
        "#,
        user.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(last)
}

/// Finds a user by its id, among the present and former members of the organization; among all users for a superadmin.
pub(super) async fn user_find(tx: &mut WriteTx, id: UserId) -> Result<Option<UserId>, DatabaseError> {
    let user = sqlx::query_scalar!(r#"select user_find($1, null) as "user: UserId""#, id.0)
        .fetch_one(tx.connection()?)
        .await?;
    Ok(user)
}

/// Finds a member of the context's organization by its id or by the blind index of its address.
pub(super) async fn member_named(
    tx: &mut WriteTx,
    id: Option<UserId>,
    email_index: Option<&[u8]>,
) -> Result<Option<(UserId, MemberRole)>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        select user_id as "user_id: UserId", role as "role: MemberRole" from memberships
        where organization_id = context_organization() and user_id = coalesce($1, member_by_address($2))
        "#,
        id.map(|id| id.0),
        email_index
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| (row.user_id, row.role)))
}

/// Returns the user's role in an organization, locked until the end of the transaction; `None` for somebody who is
/// not a member.
pub(super) async fn member_role_hold(
    tx: &mut WriteTx,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<MemberRole>, DatabaseError> {
    let role = sqlx::query_scalar!(
        r#"
        select role as "role: MemberRole" from memberships where organization_id = $1 and user_id = $2
        for share
        "#,
        organization.0,
        user.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(role)
}

pub(super) async fn member_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    user: UserId,
    role: MemberRole,
) -> Result<(), MemberError> {
    sqlx::query!(
        "insert into memberships (organization_id, user_id, role) values ($1, $2, $3)",
        organization.0,
        user.0,
        role.as_str()
    )
    .execute(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("memberships_pkey") => MemberError::AlreadyMember,
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(())
}

/// Returns the organizations of a user that the context shows.
pub(super) async fn organizations_of(tx: &mut WriteTx, user: UserId) -> Result<Vec<OrganizationId>, DatabaseError> {
    let organizations = sqlx::query_scalar!(
        r#"
        select organization_id as "id: OrganizationId" from memberships where user_id = $1 order by organization_id
        "#,
        user.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(organizations)
}

/// Changes the role of a member; returns false if there is no such member.
pub(super) async fn member_role_update(
    tx: &mut WriteTx,
    organization: OrganizationId,
    user: UserId,
    role: MemberRole,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        "update memberships set role = $3 where organization_id = $1 and user_id = $2",
        organization.0,
        user.0,
        role.as_str()
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes a membership; linked records lose their link. Returns false if there is no such member.
pub(super) async fn member_delete(
    tx: &mut WriteTx,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query!("delete from memberships where organization_id = $1 and user_id = $2", organization.0, user.0)
            .execute(tx.connection()?)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends what belongs to a member's role, unless `next` is the same role; `next` is `None` at the end of a membership.
pub(super) async fn capacity_end(
    tx: &mut WriteTx,
    user: UserId,
    next: Option<MemberRole>,
) -> Result<Vec<Ended>, DatabaseError> {
    let ended = sqlx::query_as!(
        Ended,
        r#"
        select kind as "kind!: EndedKind", id as "id!", specialist_id as "specialist_id: SpecialistId"
        from member_capacity_end($1, $2)
        "#,
        user.0,
        next.map(MemberRole::as_str)
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(ended)
}

/// Deletes every membership of a user; returns the organizations.
pub(super) async fn memberships_end(tx: &mut WriteTx, user: UserId) -> Result<Vec<OrganizationId>, DatabaseError> {
    let organizations = sqlx::query_scalar!(
        r#"delete from memberships where user_id = $1 returning organization_id as "id: OrganizationId""#,
        user.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(organizations)
}

/// Adds a user to the organization with an id of the identity provider. Returns `None` if the organization is unknown,
/// or if the user is a member already, whose role then stays.
pub(super) async fn invitation_accept(
    tx: &mut WriteTx,
    clerk_organization: &str,
    user: UserId,
    role: MemberRole,
) -> Result<Option<OrganizationId>, DatabaseError> {
    let organization = sqlx::query_scalar!(
        r#"
        insert into memberships (organization_id, user_id, role)
        select id, $2, $3 from organizations where clerk_id = $1
        on conflict (organization_id, user_id) do nothing
        returning organization_id as "id: OrganizationId"
        "#,
        clerk_organization,
        user.0,
        role.as_str()
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(organization)
}
