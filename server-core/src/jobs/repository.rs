//! Queries of the table `jobs`. Rows are inserted in a caller's transaction, and processed on the owner's pool for
//! every organization.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{
    lanes::Room,
    model::{ClaimedJob, Job, JobState, NewJob},
};
use crate::{
    database::{Across, DatabaseError, Tx},
    ids::{OrganizationId, UserId},
};

/// Inserts jobs in one statement, except those whose key is open already; returns the number inserted.
pub(crate) async fn jobs_enqueue<'e>(executor: impl PgExecutor<'e>, jobs: &[NewJob]) -> Result<u64, DatabaseError> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let organizations: Vec<i64> = jobs.iter().map(|job| job.organization.map_or(0, |id| id.0)).collect();
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.to_owned()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let keys: Vec<Option<String>> = jobs.iter().map(|job| job.key.clone()).collect();
    let creators: Vec<Option<i64>> = jobs.iter().map(|job| job.created_by.map(|id| id.0)).collect();
    let days: Vec<i32> = jobs.iter().map(|job| job.keep_days).collect();
    let done = sqlx::query!(
        r#"
        insert into jobs (id, organization_id, kind, payload, key, created_by, keep_days)
        select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::jsonb[], $5::text[], $6::bigint[], $7::integer[])
                      as j(id, organization_id, kind, payload, key, created_by, keep_days)
        -- where a key is open in a transaction under way, it is waited for: in one order by everybody
        order by organization_id, kind, key
        on conflict do nothing
        "#,
        &ids,
        &organizations,
        &kinds,
        &payloads,
        &keys as &[Option<String>],
        &creators as &[Option<i64>],
        &days
    )
    .execute(executor)
    .await?;
    Ok(done.rows_affected())
}

/// Returns the latest job with this kind and key, if the caller may see it.
pub(crate) async fn job_latest(
    tx: &mut impl Tx,
    organization: i64,
    kind: &str,
    key: &str,
) -> Result<Option<Job>, DatabaseError> {
    let job = sqlx::query_as!(
        Job,
        r#"
        select id, payload, state as "state: JobState", attempts, last_error, progress, created_at, started_at,
               finished_at
        from jobs where organization_id = $1 and kind = $2 and key = $3
        order by created_at desc, id desc limit 1
        "#,
        organization,
        kind,
        key
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(job)
}

/// Stores the progress of a job; `false` if another process holds the lease by now.
pub(super) async fn job_record(
    tx: &mut impl Tx,
    id: Uuid,
    lease: Uuid,
    progress: &Value,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query!("update jobs set progress = $3 where id = $1 and lease = $2", id, lease, progress)
        .execute(tx.connection()?)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Claims jobs for the free places, at most one of each organization and kind; the function `jobs_claim` documents the
/// order.
pub(super) async fn jobs_claim(
    across: &Across,
    room: &Room,
    lease: Duration,
) -> Result<Vec<ClaimedJob>, DatabaseError> {
    let claimed = sqlx::query_as!(
        ClaimedJob,
        r#"
        select id as "id!", organization_id as "organization_id!", kind as "kind!", payload as "payload!",
               progress as "progress!", attempts as "attempts!", created_by as "created_by: UserId", lease as "lease!"
        from jobs_claim($1, $2, $3, $4, $5, make_interval(secs => $6))
        "#,
        &room.kinds,
        &room.free,
        &room.after,
        &room.full_kinds,
        &room.full_organizations,
        lease.as_secs_f64()
    )
    .fetch_all(across.pool())
    .await?;
    Ok(claimed)
}

/// Renews the lease of a job; `false` if another process holds it by now.
pub(super) async fn job_renew(across: &Across, id: Uuid, lease: Uuid, by: Duration) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update jobs set leased_until = clock_timestamp() + make_interval(secs => $3) where id = $1 and lease = $2
        "#,
        id,
        lease,
        by.as_secs_f64()
    )
    .execute(across.pool())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a job as finished.
pub(super) async fn job_finish(
    across: &Across,
    id: Uuid,
    lease: Uuid,
    state: JobState,
    last_error: Option<&str>,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        update jobs set state = $3, last_error = $4, lease = null, leased_until = null, finished_at = now()
        where id = $1 and lease = $2
        "#,
        id,
        lease,
        state as JobState,
        last_error
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Finishes queued jobs with the same work that have never run. Jobs that have failed before are left, so that their
/// failure stays visible.
pub(super) async fn jobs_absorb(
    across: &Across,
    organization: Option<OrganizationId>,
    kind: &str,
    payload: &Value,
    besides: Uuid,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        update jobs set state = 'succeeded', finished_at = now()
        where organization_id = $1 and kind = $2 and payload = $3 and state = 'queued' and attempts = 0 and id <> $4
        "#,
        organization.map_or(0, |id| id.0),
        kind,
        payload,
        besides
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Returns a job to the queue, to run after a pause; `attempts` is the number of runs counted from then on.
pub(super) async fn job_release(
    across: &Across,
    id: Uuid,
    lease: Uuid,
    attempts: i32,
    pause: Duration,
    last_error: Option<&str>,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        update jobs
        set state = 'queued', attempts = $3, run_at = clock_timestamp() + make_interval(secs => $4),
            last_error = $5, lease = null, leased_until = null
        where id = $1 and lease = $2
        "#,
        id,
        lease,
        attempts,
        pause.as_secs_f64(),
        last_error
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Inserts the single row of a periodic task, unless it exists.
pub(super) async fn task_ensure(across: &Across, kind: &str, key: &str) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        insert into jobs (id, organization_id, kind, key) values ($1, 0, $2, $3) on conflict do nothing
        "#,
        Uuid::now_v7(),
        kind,
        key
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// Deletes the rows of jobs that finished longer ago than they are kept; returns the number deleted.
pub(super) async fn job_expire(across: &Across) -> Result<u64, DatabaseError> {
    let done = sqlx::query!("delete from jobs where finished_at < now() - make_interval(days => keep_days)")
        .execute(across.pool())
        .await?;
    Ok(done.rows_affected())
}

/// Number of waiting and of failed jobs of a kind.
#[derive(Default)]
pub(super) struct Backlog {
    pub(super) kind: String,
    /// Number of jobs that are due.
    pub(super) due: i64,
    /// Seconds for which the longest-waiting job has been due.
    pub(super) lag: f64,
    /// Number of jobs that failed for good.
    pub(super) failed: i64,
}

/// Counts due and failed jobs, for each kind that has any.
pub(super) async fn jobs_backlog(across: &Across) -> Result<Vec<Backlog>, DatabaseError> {
    let backlog = sqlx::query_as!(
        Backlog,
        r#"
        select kind as "kind!", coalesce(d.due, 0) as "due!", coalesce(d.lag, 0)::float8 as "lag!",
               coalesce(f.failed, 0) as "failed!"
        from (select kind, count(*) as due, extract(epoch from now() - min(run_at)) as lag
              from jobs where state = 'queued' and run_at <= now() group by kind) d
        full join (select kind, count(*) as failed from jobs where state = 'failed' group by kind) f using (kind)
        "#
    )
    .fetch_all(across.pool())
    .await?;
    Ok(backlog)
}
