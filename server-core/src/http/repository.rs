//! Queries for callers and for answers to repeated requests. Callers are read on the owner's pool, before there is a
//! context; answers belong to their organization.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::impersonation::ImpersonationGrant;
use crate::{
    audit::Audit,
    database::{Across, Database, DatabaseError, Disclosed, Sealed, Tx},
    identity::{ApiKeyGrant, Caller, Capacity, Identity, Membership, Scope},
    ids::{ApiKeyId, Entity, OrganizationId, PatientId, SpecialistId, UserId},
};

/// Finds a user with every membership, by its identifier at the identity provider.
pub(super) async fn identity_find(across: &Across, subject: &str) -> Result<Option<Identity>, DatabaseError> {
    let rows = sqlx::query!(
        r#"
        select u.id as "user_id: UserId", u.name, u.superadmin,
               u.current_organization_id as "current_organization_id: OrganizationId",
               m.organization_id as "organization_id?: OrganizationId", m.role as "role?",
               o.name as "organization_name?", o.slug as "organization_slug?",
               p.id as "patient_id?: PatientId", s.id as "specialist_id?: SpecialistId"
        from users u
        left join memberships m on m.user_id = u.id
        left join organizations o on o.id = m.organization_id
        left join patients p on p.organization_id = m.organization_id and p.user_id = u.id and p.deleted_at is null
        left join specialists s on s.organization_id = m.organization_id and s.user_id = u.id and s.deleted_at is null
        where u.clerk_id = $1 and u.deleted_at is null
        order by o.name_sort, o.id
        "#,
        subject
    )
    .fetch_all(across.pool())
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut identity = Identity {
        user_id: first.user_id,
        name: first.name.clone(),
        superadmin: first.superadmin,
        current_organization_id: first.current_organization_id,
        memberships: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let (Some(organization_id), Some(role), Some(organization_name), Some(organization_slug)) =
            (row.organization_id, row.role, row.organization_name, row.organization_slug)
        else {
            continue;
        };
        let capacity = Capacity::of_membership(&role, row.patient_id, row.specialist_id).ok_or_else(|| {
            DatabaseError::Damaged(format!("membership of organization {organization_id} has no known role"))
        })?;
        identity.memberships.push(Membership { organization_id, organization_name, organization_slug, capacity });
    }
    Ok(Some(identity))
}

/// Returns true if the organization exists.
pub(super) async fn organization_exists(across: &Across, organization: OrganizationId) -> Result<bool, DatabaseError> {
    let exists =
        sqlx::query_scalar!(r#"select exists(select from organizations where id = $1) as "exists!""#, organization.0)
            .fetch_one(across.pool())
            .await?;
    Ok(exists)
}

/// Returns true if the session has ended.
pub(super) async fn session_ended(across: &Across, sid: &str) -> Result<bool, DatabaseError> {
    let ended = sqlx::query_scalar!(r#"select exists(select from revoked_sessions where sid = $1) as "ended!""#, sid)
        .fetch_one(across.pool())
        .await?;
    Ok(ended)
}

/// Finds the key of a secret, present or former.
pub(super) async fn api_key_find(across: &Across, hash: &[u8]) -> Result<Option<ApiKeyGrant>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        select id as "id: ApiKeyId", organization_id as "organization_id: OrganizationId", scopes,
               case when secret_hash = $1 then expires_at else least(expires_at, previous_expires_at) end as expires_at
        from api_keys where (secret_hash = $1 or previous_secret_hash = $1) and revoked_at is null
        "#,
        hash
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(row.map(|row| ApiKeyGrant {
        id: row.id,
        organization: row.organization_id,
        // This version ignores scopes of a newer one.
        scopes: row.scopes.iter().filter_map(|scope| Scope::from_text(scope)).collect(),
        expires_at: row.expires_at,
    }))
}

/// Notes when keys were last used, to the minute.
pub(super) async fn api_key_uses_write(
    across: &Across,
    used: &HashMap<ApiKeyId, DateTime<Utc>>,
) -> Result<(), DatabaseError> {
    let (ids, times): (Vec<i64>, Vec<DateTime<Utc>>) = used.iter().map(|(id, time)| (id.0, *time)).unzip();
    sqlx::query!(
        r#"
        update api_keys k set last_used_at = used.at
        from unnest($1::bigint[], $2::timestamptz[]) as used(id, at)
        where k.id = used.id and (k.last_used_at is null or k.last_used_at < used.at - interval '1 minute')
        "#,
        &ids,
        &times
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Finds the impersonation of a token.
pub(super) async fn impersonation_find(
    across: &Across,
    hash: &[u8],
) -> Result<Option<ImpersonationGrant>, DatabaseError> {
    let grant = sqlx::query_as!(
        ImpersonationGrant,
        r#"
        select i.organization_id as "organization: OrganizationId", i.impersonator_user_id as "impersonator: UserId",
               a.clerk_id as impersonator_subject, i.patient_id as "patient: PatientId", p.clerk_id as patient_subject,
               i.session_id as session, i.expires_at
        from impersonations i
        join users a on a.id = i.impersonator_user_id
        join users p on p.id = i.patient_user_id
        where i.token_hash = $1 and i.revoked_at is null
        "#,
        hash
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(grant)
}

/// Owner and organization of a calendar feed.
pub(super) struct FeedOwner {
    pub(super) organization: OrganizationId,
    /// Id of the owner at the identity provider.
    pub(super) subject: String,
}

/// Finds the owner of the calendar feed of a token.
pub(super) async fn feed_owner(across: &Across, hash: &[u8]) -> Result<Option<FeedOwner>, DatabaseError> {
    let owner = sqlx::query_as!(
        FeedOwner,
        r#"
        select f.organization_id as "organization: OrganizationId", u.clerk_id as subject
        from calendar_feeds f
        join users u on u.id = f.user_id
        where f.token_hash = $1 and f.revoked_at is null
        "#,
        hash
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(owner)
}

/// The first answer to a key.
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) request_hash: Vec<u8>,
    pub(super) status: i16,
    pub(super) secret: bool,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

/// Finds the first answer to a key of the caller, as long as it is kept. It may hold protected health information, so
/// the disclosure is audited again.
pub(super) async fn answer_find(
    database: &Database,
    caller: &Caller,
    organization: i64,
    key_hash: &[u8],
) -> Result<Option<Disclosed<Stored>>, DatabaseError> {
    let mut tx = database.disclose(caller).await?;
    let stored = sqlx::query_as!(
        Stored,
        r#"
        select id, request_hash, status as "status!", secret, wrapped_key as "wrapped_key!", answer as "answer!"
        from idempotency_keys
        where organization_id = $1 and key_hash = $2 and expires_at > now() and status is not null
        "#,
        organization,
        key_hash
    )
    .fetch_optional(tx.connection()?)
    .await?;
    let Some(stored) = stored else { return Ok(None) };
    let again = Audit::action("replayed", &stored);
    Ok(Some(tx.disclose(Sealed::new(stored), |_| again).await?))
}

impl Entity for Stored {
    const TYPE: &'static str = "answer";

    fn entity_id(&self) -> String {
        self.id.to_string()
    }
}

/// Removes expired answers. Returns their number.
pub(crate) async fn answers_purge(across: Across) -> Result<u64, DatabaseError> {
    let done = sqlx::query!("delete from idempotency_keys where expires_at <= now()").execute(across.pool()).await?;
    Ok(done.rows_affected())
}
