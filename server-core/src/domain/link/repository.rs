//! SQL for links, composed from the constants of [`Linked`].

use sqlx::AssertSqlSafe;

use super::{LinkError, Linked};
use crate::{
    database::{DatabaseError, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, UserId},
};

/// Lock of a row until the end of the transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowLock {
    /// Prevents changes; several transactions may have it.
    Share,
    /// Precedes a change.
    Update,
}

/// Locks a record and returns its user: `None` if the record does not exist, `Some(None)` if it is not linked.
pub(super) async fn record_user<R: Linked>(
    tx: &mut WriteTx,
    record: R,
    lock: RowLock,
) -> Result<Option<Option<UserId>>, DatabaseError> {
    let lock = match lock {
        RowLock::Share => "share",
        RowLock::Update => "update",
    };
    let sql = format!("select user_id from {} where id = $1 and deleted_at is null for {lock}", R::TABLE);
    let user = sqlx::query_scalar(AssertSqlSafe(sql)).bind(record).fetch_optional(tx.connection()?).await?;
    Ok(user)
}

/// Returns true if the user is linked to a record in the context's organization.
pub(super) async fn is_record_of<R: Linked>(tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
    let sql = format!(
        "select exists (select from {} where organization_id = context_organization() and user_id = $1 \
                                         and deleted_at is null)",
        R::TABLE
    );
    let is = sqlx::query_scalar(AssertSqlSafe(sql)).bind(user).fetch_one(tx.connection()?).await?;
    Ok(is)
}

/// Links a record to a user; returns false if the record does not exist or is linked already. Only the owner of the
/// table may do so: no policy lets another role write the link.
pub(super) async fn record_link<R: Linked>(
    tx: &mut WriteTx,
    organization: OrganizationId,
    record: R,
    user: UserId,
) -> Result<bool, R::Error> {
    let sql = format!(
        "update {} set user_id = $3, {} \
         where organization_id = $1 and id = $2 and user_id is null and deleted_at is null",
        R::TABLE,
        R::CHANGED
    );
    let update = sqlx::query(AssertSqlSafe(sql)).bind(organization).bind(record).bind(user);
    let done = update.execute(tx.connection()?).await.map_err(|error| match broken_constraint(&error) {
        Some(constraint) if constraint == R::USER_KEY => R::Error::from(LinkError::UserTaken),
        // The membership has ended since it was checked.
        Some(constraint) if constraint == R::MEMBER_KEY => LinkError::NotFound.into(),
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(done.rows_affected() == 1)
}

/// Unlinks a record. Only the owner of the table may do so.
pub(super) async fn record_unlink<R: Linked>(tx: &mut WriteTx, record: R) -> Result<(), DatabaseError> {
    let sql = format!("update {} set user_id = null, {} where id = $1", R::TABLE, R::CHANGED);
    sqlx::query(AssertSqlSafe(sql)).bind(record).execute(tx.connection()?).await?;
    Ok(())
}
