use chrono::{DateTime, Utc};
use server_shared::value::NameKeys;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    error::UserError,
    model::{EventTime, Profile},
};
use crate::{
    database::{Across, DatabaseError, Tx, WriteTx, broken_constraint, one_row},
    encryption::{INDEXES_VERSION, NewKey},
    identity::Role,
    ids::{OrganizationId, PatientId, UserId},
};

/// Stored account of a user.
pub(super) struct AccountRow {
    pub(super) id: UserId,
    pub(super) uid: Uuid,
    pub(super) name: String,
    pub(super) data_key_wrapped: Option<Vec<u8>>,
    pub(super) email_index: Option<Vec<u8>>,
    /// Time of the event that the row reflects.
    pub(super) clerk_event_at: Option<DateTime<Utc>>,
    pub(super) clerk_event_id: Option<String>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

impl AccountRow {
    /// Returns the event of the identity provider that the row reflects.
    pub(super) fn moment(&self) -> Option<EventTime> {
        Some(EventTime { at: self.clerk_event_at?, id: self.clerk_event_id.clone()? })
    }
}

/// Encrypted e-mail address of a user, to be stored.
pub(super) struct SealedEmail {
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) index: Option<Vec<u8>>,
    /// Key of the user's data, if the row has none yet.
    pub(super) key: Option<NewKey>,
}

pub(super) async fn user_switch(tx: &mut impl Tx, user: UserId, organization: OrganizationId) -> Result<(), UserError> {
    let done = sqlx::query!(
        "update users set current_organization_id = $2, updated_at = now() where id = $1",
        user.0,
        organization.0
    )
    .execute(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("users_current_organization_id_fkey") => UserError::OrganizationNotFound,
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(one_row(&done)?)
}

/// Locks the user with an id of the identity provider, and creates it if it is new; returns the row, and true if it
/// was created. `erased` is the name of the user after an erasure.
pub(super) async fn account_lock(
    tx: &mut WriteTx,
    clerk_id: &str,
    erased: &str,
) -> Result<(AccountRow, bool), DatabaseError> {
    // Serializes with the erasure that replaces the one name by the other.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", erased).execute(tx.connection()?).await?;
    let keys = NameKeys::of(&[""]);
    // A concurrent insert of the same user waits here, and then finds the row.
    let made = sqlx::query!(
        "insert into users (clerk_id, name_folded, name_sort, name_keys_version)
         select $1, $3, $4, $5 where not exists (select from users where clerk_id = $2)
         on conflict (clerk_id) do nothing",
        clerk_id,
        erased,
        keys.folded,
        keys.sort,
        keys.version
    )
    .execute(tx.connection()?)
    .await?;
    let account = sqlx::query_as!(
        AccountRow,
        r#"
        select id as "id: UserId", uid, name, data_key_wrapped, email_index, clerk_event_at, clerk_event_id, deleted_at
        from users where clerk_id in ($1, $2)
        for update
        "#,
        clerk_id,
        erased
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok((account, made.rows_affected() == 1))
}

pub(super) async fn profile_update(
    tx: &mut WriteTx,
    user: UserId,
    profile: &Profile,
    email: &SealedEmail,
    moment: &EventTime,
) -> Result<(), DatabaseError> {
    let keys = NameKeys::of(&[&profile.name]);
    let done = sqlx::query!(
        r#"
        update users
        set name = $2, email_encrypted = $3, email_index = $4, data_key_wrapped = coalesce($5, data_key_wrapped),
            clerk_event_at = $6, clerk_event_id = $7, name_folded = $8, name_sort = $9, name_keys_version = $10,
            indexes_version = $11, updated_at = now()
        where id = $1
        "#,
        user.0,
        profile.name,
        email.sealed,
        email.index,
        email.key.as_ref().map(|key| key.wrapped.as_slice()),
        moment.at,
        moment.id,
        keys.folded,
        keys.sort,
        keys.version,
        INDEXES_VERSION
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// Assignments that close an account for good and clear its personal data with the key. The identity provider's id
/// stays, to recognize late events of the user, until the erasure replaces it. The version of the name's keys stays:
/// nothing is left to refresh.
pub(super) const CLOSED: &str = "name = '', name_folded = null, name_sort = null,
     superadmin = false, current_organization_id = null, email_encrypted = null, email_index = null,
     indexes_version = null, data_key_wrapped = null, clerk_event_at = null, clerk_event_id = null,
     deleted_at = coalesce(deleted_at, now()), updated_at = now()";

/// Closes a user's account for good.
pub(super) async fn account_close(tx: &mut WriteTx, user: UserId) -> Result<(), DatabaseError> {
    let sql = format!("update users set {CLOSED} where id = $1");
    one_row(&sqlx::query(AssertSqlSafe(sql)).bind(user.0).execute(tx.connection()?).await?)
}

/// Returns the current time of the database, whose clock dates tokens.
pub(super) async fn moment(across: &Across) -> Result<DateTime<Utc>, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "moment!""#).fetch_one(across.pool()).await?)
}

/// Enqueues the job that revokes a user's tokens at Telemetry, if the user exists.
pub(super) async fn access_revoke(tx: &mut WriteTx, clerk_id: &str) -> Result<(), DatabaseError> {
    sqlx::query!("select access_revoke(id, 0) from users where clerk_id = $1", clerk_id)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

/// Role of a user in an organization at a time of the database's clock that is not later than the snapshot that was
/// read.
#[derive(Debug, Clone, Copy)]
pub(super) struct PresentRole {
    /// Time of the reading.
    pub(super) at: DateTime<Utc>,
    /// `true` if the session has ended.
    pub(super) session_ended: bool,
    /// The user's role there; `None` for somebody who is not a member.
    pub(super) role: Option<Role>,
    /// The user's patient record there, if its role is `patient`.
    pub(super) patient_id: Option<PatientId>,
}

/// Reads the present role of a user in an organization; `None` if the user does not exist any more. `now()` is taken
/// before the statement's snapshot: any change that the statement does not see was committed later.
pub(super) async fn present_role_get(
    across: &Across,
    user: UserId,
    organization: OrganizationId,
    session: Option<&str>,
) -> Result<Option<PresentRole>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        select now() as "at!", u.superadmin, m.role as "role?", p.id as "patient_id?: PatientId",
               exists (select from revoked_sessions r where r.sid = $3) as "session_ended!"
        from users u
        left join memberships m on m.organization_id = $2 and m.user_id = u.id
        left join patients p on p.organization_id = m.organization_id and p.user_id = u.id and p.deleted_at is null
                            and m.role = 'patient'
        where u.id = $1 and u.deleted_at is null
        "#,
        user.0,
        organization.0,
        session
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(row.map(|row| PresentRole {
        at: row.at,
        session_ended: row.session_ended,
        role: if row.superadmin { Some(Role::Superadmin) } else { row.role.as_deref().and_then(Role::of_membership) },
        patient_id: row.patient_id.filter(|_| !row.superadmin),
    }))
}
