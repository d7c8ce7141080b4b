//! Queries of the outbox on the owner's pool: the forwarder works for every organization.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::RefusedRequest;
use crate::database::{Across, DatabaseError};

/// Audit row that Telemetry has not acknowledged yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) seq: i64,
    pub(super) id: Uuid,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) organization_id: i64,
    pub(super) actor_kind: String,
    pub(super) actor_user_id: Option<i64>,
    pub(super) actor_api_key_id: Option<i64>,
    pub(super) impersonator_user_id: Option<i64>,
    pub(super) action: String,
    pub(super) entity_type: String,
    pub(super) entity_id: Option<String>,
    pub(super) changed_fields: Vec<String>,
    pub(super) operation_id: String,
    pub(super) request_id: String,
    pub(super) outcome: String,
    pub(super) error_code: Option<String>,
    pub(super) occurrences: i32,
    pub(super) ip: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) client_request_id: Option<Uuid>,
}

/// Reserves the oldest rows for the duration of `lease`. Returns none while another forwarder has rows reserved,
/// because those are older. Any number of forwarders may call it concurrently.
pub(super) async fn outbox_claim(across: &Across, limit: i64, lease: Duration) -> Result<Vec<Pending>, DatabaseError> {
    let claimed = sqlx::query_scalar!(
        r#"select seq as "seq!" from audit_outbox_claim($1, make_interval(secs => $2))"#,
        limit,
        lease.as_secs_f64()
    )
    .fetch_all(across.pool())
    .await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    // A separate statement: the function sees rows that were committed while it waited for its lock; the statement that
    // calls it does not, and would reserve such rows without returning them.
    let rows = sqlx::query_as!(
        Pending,
        r#"
        select o.seq, l.id, l.occurred_at, l.organization_id, l.actor_kind, l.actor_user_id,
               l.actor_api_key_id, l.impersonator_user_id, l.action, l.entity_type, l.entity_id, l.changed_fields,
               l.operation_id, l.request_id, l.outcome, l.error_code, l.occurrences,
               host(p.ip) as ip, p.user_agent as "user_agent?", p.client_request_id as "client_request_id?"
        from audit_outbox o
        join audit_log l on l.id = o.audit_id
        left join audit_personal p on p.audit_id = l.id
        where o.seq = any($1)
        order by o.seq
        "#,
        &claimed
    )
    .fetch_all(across.pool())
    .await?;
    Ok(rows)
}

/// Deletes rows that Telemetry has acknowledged.
pub(super) async fn outbox_delete(across: &Across, seqs: &[i64]) -> Result<(), DatabaseError> {
    sqlx::query!("delete from audit_outbox where seq = any($1)", seqs).execute(across.pool()).await?;
    Ok(())
}

/// Reserves rows for the duration of `lease`, so that no forwarder takes them; without a lease, releases them at once.
pub(super) async fn outbox_lease(across: &Across, seqs: &[i64], lease: Option<Duration>) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update audit_outbox set leased_until = clock_timestamp() + make_interval(secs => $2) where seq = any($1)",
        seqs,
        lease.map(|lease| lease.as_secs_f64())
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Number of waiting rows, and the time of the oldest.
pub(super) struct Lag {
    pub(super) rows: i64,
    pub(super) oldest: Option<DateTime<Utc>>,
}

pub(super) async fn outbox_lag(across: &Across) -> Result<Lag, DatabaseError> {
    let lag = sqlx::query_as!(
        Lag,
        r#"
        select count(*) as "rows!", min(l.occurred_at) as oldest
        from audit_outbox o join audit_log l on l.id = o.audit_id
        "#
    )
    .fetch_one(across.pool())
    .await?;
    Ok(lag)
}

/// Appends the audit entries of refused and failed requests, for any organization.
pub(super) async fn refused_append(across: &Across, requests: &[RefusedRequest]) -> Result<(), DatabaseError> {
    // The payload is hexadecimal: see `audit_append`.
    let sql = format!("select audit_append('{}')", RefusedRequest::payload(requests));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(across.pool()).await?;
    Ok(())
}
