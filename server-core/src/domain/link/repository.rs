//! The statements of links, composed of what a [`Linked`] says of its table.

use sqlx::AssertSqlSafe;

use super::{LinkError, Linked};
use crate::{
    database::{DatabaseError, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, UserId},
};

/// Lock that keeps a row from changing to the end of the transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hold {
    /// For a look at it, which others may have too.
    Share,
    /// For a change.
    Update,
}

/// Returns the user of a record and holds its row: `None` for no such record, `Some(None)` for nobody's.
pub(super) async fn record_user<R: Linked>(
    tx: &mut WriteTx,
    record: R,
    hold: Hold,
) -> Result<Option<Option<UserId>>, DatabaseError> {
    let hold = match hold {
        Hold::Share => "share",
        Hold::Update => "update",
    };
    let sql = format!("select user_id from {} where id = $1 and deleted_at is null for {hold}", R::TABLE);
    let user = sqlx::query_scalar(AssertSqlSafe(sql)).bind(record).fetch_optional(tx.connection()?).await?;
    Ok(user)
}

/// Returns true if a record of the context's organization is the user's.
pub(super) async fn is_record_of<R: Linked>(tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
    let sql = format!(
        "select exists (select from {} where organization_id = context_organization() and user_id = $1 \
                                         and deleted_at is null)",
        R::TABLE
    );
    let is = sqlx::query_scalar(AssertSqlSafe(sql)).bind(user).fetch_one(tx.connection()?).await?;
    Ok(is)
}

/// Makes the record the user's own, unless it is somebody's; false when it is, or is not there. Run by the owner of
/// the table: no policy lets anybody else write this.
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
        // The membership has ended since it was looked for.
        Some(constraint) if constraint == R::MEMBER_KEY => LinkError::NotFound.into(),
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(done.rows_affected() == 1)
}

/// Takes the record's login; run by the owner of the table.
pub(super) async fn record_unlink<R: Linked>(tx: &mut WriteTx, record: R) -> Result<(), DatabaseError> {
    let sql = format!("update {} set user_id = null, {} where id = $1", R::TABLE, R::CHANGED);
    sqlx::query(AssertSqlSafe(sql)).bind(record).execute(tx.connection()?).await?;
    Ok(())
}
