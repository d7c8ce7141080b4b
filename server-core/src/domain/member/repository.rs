use chrono::{DateTime, Utc};
use server_shared::http::Paging;
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

/// A member as it is stored: the name in clear, the address sealed with the user's key.
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

/// A page of members by name, and how many there are in all.
pub(super) async fn member_page(
    tx: &mut DiscloseTx,
    paging: Paging,
) -> Result<Sealed<(Vec<MemberRow>, i64)>, DatabaseError> {
    tx.list()?.rows("name_sort, user_id", paging).await
}

/// Whether an organization, as far as the context goes, has this administrator and no other.
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

/// Whom an administrator means by an id: somebody whom the organization has known, and for whoever runs the
/// platform anybody.
pub(super) async fn user_find(tx: &mut WriteTx, id: UserId) -> Result<Option<UserId>, DatabaseError> {
    let user = sqlx::query_scalar!(r#"select user_find($1, null) as "user: UserId""#, id.0)
        .fetch_one(tx.connection()?)
        .await?;
    Ok(user)
}

/// The member of the context's organization whom an id names, or the hash of an address.
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

/// The organizations of a user, as far as the context goes.
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

/// Records that are linked to the user lose the link, and nothing else. Whether there was such a member.
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

/// Ends what the member has in its role, unless that is what it is next; `None` is nothing at all.
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

/// Ends every membership of a user; gives the organizations.
pub(super) async fn memberships_end(tx: &mut WriteTx, user: UserId) -> Result<Vec<OrganizationId>, DatabaseError> {
    let organizations = sqlx::query_scalar!(
        r#"delete from memberships where user_id = $1 returning organization_id as "id: OrganizationId""#,
        user.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(organizations)
}

/// Makes a user a member of the organization that the identity provider calls so, unless it is one:
/// then it stays what it is. `None` when nothing changed.
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
