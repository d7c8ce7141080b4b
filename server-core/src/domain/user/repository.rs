use chrono::{DateTime, Utc};
use server_shared::value::NameKeys;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    error::UserError,
    model::{Moment, Profile},
};
use crate::{
    database::{Across, DatabaseError, Tx, WriteTx, broken_constraint, one_row},
    encryption::NewKey,
    identity::Role,
    ids::{OrganizationId, PatientId, UserId},
};

/// A user as it is stored.
pub(super) struct AccountRow {
    pub(super) id: UserId,
    pub(super) uid: Uuid,
    pub(super) name: String,
    pub(super) data_key_wrapped: Option<Vec<u8>>,
    pub(super) email_index: Option<Vec<u8>>,
    /// Which event the row is the state of.
    pub(super) clerk_event_at: Option<DateTime<Utc>>,
    pub(super) clerk_event_id: Option<String>,
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

impl AccountRow {
    /// The last thing that the identity provider said of the user.
    pub(super) fn moment(&self) -> Option<Moment> {
        Some(Moment { at: self.clerk_event_at?, id: self.clerk_event_id.clone()? })
    }
}

/// The personal data of a user on its way into its row.
pub(super) struct SealedEmail {
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) index: Option<Vec<u8>>,
    /// The key it is sealed with, where the row has none yet.
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

/// The user whom the identity provider calls so, locked against other changes. One who is new here is
/// made, and that is said.
pub(super) async fn account_lock(
    tx: &mut WriteTx,
    clerk_id: &str,
    erased: &str,
) -> Result<(AccountRow, bool), DatabaseError> {
    // In turn with the erasure that changes the one name into the other.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", erased).execute(tx.connection()?).await?;
    // Nobody can come between: whoever inserts the same user at once waits here, and updates it then.
    let made = sqlx::query!(
        "insert into users (clerk_id) select $1 where not exists (select from users where clerk_id = $2)
         on conflict (clerk_id) do nothing",
        clerk_id,
        erased
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
    moment: &Moment,
) -> Result<(), DatabaseError> {
    let keys = NameKeys::of(&[&profile.name]);
    let done = sqlx::query!(
        r#"
        update users
        set name = $2, email_encrypted = $3, email_index = $4, data_key_wrapped = coalesce($5, data_key_wrapped),
            clerk_event_at = $6, clerk_event_id = $7, name_folded = $8, name_sort = $9, name_keys_version = $10,
            updated_at = now()
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
        keys.version
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// What ends an account for good: what is personal goes, the key it was sealed with too. The identity
/// provider's name stays, for news of the user that come late; erasure replaces it at its end.
pub(super) const CLOSED: &str = "name = '', name_folded = null, name_sort = null, name_keys_version = null,
     superadmin = false, current_organization_id = null, email_encrypted = null, email_index = null,
     data_key_wrapped = null, clerk_event_at = null, clerk_event_id = null,
     deleted_at = coalesce(deleted_at, now()), updated_at = now()";

/// Ends a user for good.
pub(super) async fn account_close(tx: &mut WriteTx, user: UserId) -> Result<(), DatabaseError> {
    let sql = format!("update users set {CLOSED} where id = $1");
    one_row(&sqlx::query(AssertSqlSafe(sql)).bind(user.0).execute(tx.connection()?).await?)
}

/// This moment, by the clock that tokens are dated by.
pub(super) async fn moment(across: &Across) -> Result<DateTime<Utc>, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "moment!""#).fetch_one(across.pool()).await?)
}

/// Leaves the job that has Telemetry refuse the tokens of a user, if there is one of this name.
pub(super) async fn access_revoke(tx: &mut WriteTx, clerk_id: &str) -> Result<(), DatabaseError> {
    sqlx::query!("select access_revoke(id, 0) from users where clerk_id = $1", clerk_id)
        .execute(tx.connection()?)
        .await?;
    Ok(())
}

/// Role of a user in one organization, as of a moment of the database's clock that is not later than the snapshot
/// that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct PresentRole {
    /// The moment.
    pub(super) at: DateTime<Utc>,
    /// True if the session has ended.
    pub(super) session_ended: bool,
    /// The user's role there; `None` for somebody who is not a member.
    pub(super) role: Option<Role>,
    /// The user's patient record there, if a patient is what it is.
    pub(super) patient_id: Option<PatientId>,
}

/// Reads the present role of a user in an organization; `None` if there is no such user any more. `now()` is taken
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
