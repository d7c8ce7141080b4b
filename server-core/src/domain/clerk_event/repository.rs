use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::database::{Across, DatabaseError, Tx, WriteTx};

/// Claims a message for this transaction; returns false if it has been processed already. Waits while another
/// transaction has claimed it.
pub(super) async fn event_claim(tx: &mut WriteTx, id: &str) -> Result<bool, DatabaseError> {
    let claimed = sqlx::query!("insert into clerk_events (id) values ($1) on conflict (id) do nothing", id)
        .execute(tx.connection()?)
        .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Marks a session as ended. The mark expires `kept` after the end of the session, or after now if that is later.
pub(super) async fn session_revoke(
    tx: &mut WriteTx,
    sid: &str,
    at: DateTime<Utc>,
    kept: Duration,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        insert into revoked_sessions (sid, revoked_at, expires_at)
        values ($1, $2, greatest($2, now()) + make_interval(secs => $3))
        on conflict (sid) do nothing
        "#,
        sid,
        at,
        kept.as_secs_f64()
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Deletes ended sessions whose tokens have all expired, and ids of messages older than `events_kept`; returns the
/// number of rows.
pub(super) async fn sweep(across: &Across, events_kept: Duration) -> Result<u64, DatabaseError> {
    let sessions = sqlx::query!("delete from revoked_sessions where expires_at < now()").execute(across.pool()).await?;
    let events = sqlx::query!(
        "delete from clerk_events where received_at < now() - make_interval(secs => $1)",
        events_kept.as_secs_f64()
    )
    .execute(across.pool())
    .await?;
    Ok(sessions.rows_affected() + events.rows_affected())
}
