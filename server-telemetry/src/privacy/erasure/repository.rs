//! Jobs of erasures in PostgreSQL.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction, types::Json};
use uuid::Uuid;

use super::{
    error::Interruption,
    model::{
        DataSubject, ErasureFailure, ErasureItem, ErasureJob, ErasureMode, ErasureRequest, ErasureStatus, SubjectKind,
    },
};
use crate::storage::postgres::Database;

/// Number of failures that a job keeps.
const ERRORS_KEPT: usize = 20;

/// Adds, finds and advances jobs. Jobs belong to Core and may be of any organization, so their transactions
/// have no context.
pub(crate) struct ErasureRepository {
    database: Database,
}

/// Job that a runner has leased.
#[derive(Debug)]
pub(super) struct Claimed {
    pub request: ErasureRequest,
    pub lease: Uuid,
    pub started_at: DateTime<Utc>,
    pub taken_at: DateTime<Utc>,
    pub failures: i32,
    pub plan: Vec<ErasureItem>,
    pub receipt: Vec<ErasureItem>,
    pub errors: Vec<ErasureFailure>,
    pub mutating: Option<String>,
}

impl ErasureRepository {
    /// Makes a repository on this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds a job unless its id exists; then returns the existing job if it is for the same request.
    pub(super) async fn add(&self, request: &ErasureRequest) -> Result<Option<ErasureStatus>, sqlx::Error> {
        let ErasureRequest { id, subject, mode, dry_run } = *request;
        let mut tx = self.database.work().await?;
        let added = sqlx::query!(
            "insert into privacy.erasures (id, organization_id, subject_kind, subject_id, mode, dry_run)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (id) do nothing",
            id,
            subject.organization_id,
            subject.kind.as_str(),
            subject.id,
            mode.as_str(),
            dry_run,
        )
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 1 {
            tx.commit().await?;
            return Ok(Some(ErasureStatus::Queued));
        }
        let known = sqlx::query!(
            "select started_at, finished_at from privacy.erasures
             where id = $1 and organization_id is not distinct from $2 and subject_kind = $3 and subject_id = $4
               and mode = $5 and dry_run = $6",
            id,
            subject.organization_id,
            subject.kind.as_str(),
            subject.id,
            mode.as_str(),
            dry_run,
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(known.map(|job| ErasureStatus::of(job.started_at, job.finished_at)))
    }

    /// Returns a job.
    pub(super) async fn find(&self, id: Uuid) -> Result<Option<ErasureJob>, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let row = sqlx::query!(
            r#"select id, organization_id, subject_kind, subject_id, mode, dry_run, requested_at, started_at,
                 finished_at, plan as "plan: Json<Vec<ErasureItem>>", receipt as "receipt: Json<Vec<ErasureItem>>",
                 errors as "errors: Json<Vec<ErasureFailure>>"
             from privacy.erasures where id = $1"#,
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(|row| ErasureJob {
            job_id: row.id,
            status: ErasureStatus::of(row.started_at, row.finished_at),
            dry_run: row.dry_run,
            mode: ErasureMode::from_column(&row.mode),
            subject_kind: SubjectKind::from_column(&row.subject_kind),
            subject_id: row.subject_id,
            organization_id: row.organization_id,
            requested_at: row.requested_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            plan: row.plan.0,
            receipt: row.receipt.0,
            errors: row.errors.0,
        }))
    }

    /// Leases the job that has waited longest and that no runner works on, for `lease`.
    pub(super) async fn claim(&self, lease: Duration) -> Result<Option<Claimed>, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let row = sqlx::query!(
            r#"update privacy.erasures set
                 lease = $1, due_at = now() + $2::double precision * interval '1 second',
                 started_at = coalesce(started_at, now())
             where id = (
                 select id from privacy.erasures
                 where finished_at is null and due_at <= now()
                 order by due_at limit 1
                 for update skip locked)
             returning id, organization_id, subject_kind, subject_id, mode, dry_run, started_at as "started_at!",
                 now() as "taken_at!", failures, plan as "plan: Json<Vec<ErasureItem>>",
                 receipt as "receipt: Json<Vec<ErasureItem>>", errors as "errors: Json<Vec<ErasureFailure>>",
                 mutating, lease as "lease!""#,
            Uuid::new_v4(),
            lease.as_secs_f64(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(row.map(|row| Claimed {
            request: ErasureRequest {
                id: row.id,
                subject: DataSubject {
                    kind: SubjectKind::from_column(&row.subject_kind),
                    id: row.subject_id,
                    organization_id: row.organization_id,
                },
                mode: ErasureMode::from_column(&row.mode),
                dry_run: row.dry_run,
            },
            lease: row.lease,
            started_at: row.started_at,
            taken_at: row.taken_at,
            failures: row.failures,
            plan: row.plan.0,
            receipt: row.receipt.0,
            errors: row.errors.0,
            mutating: row.mutating,
        }))
    }

    /// Extends the lease by `stretch`; returns `false` if another runner has taken the job.
    pub(super) async fn renew(&self, job: Uuid, lease: Uuid, stretch: Duration) -> Result<bool, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let renewed = sqlx::query!(
            "update privacy.erasures set due_at = now() + $3::double precision * interval '1 second'
             where id = $1 and lease = $2 and finished_at is null",
            job,
            lease,
            stretch.as_secs_f64(),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Begins a transaction for a step and its entry in the receipt.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.database.work().await
    }

    /// Stores the progress of the job and commits. Fails if the lease was lost; then the whole transaction is
    /// rolled back.
    pub(super) async fn commit(
        &self,
        mut tx: Transaction<'static, Postgres>,
        job: &Claimed,
    ) -> Result<(), Interruption> {
        let written = sqlx::query!(
            "update privacy.erasures set plan = $3, receipt = $4, mutating = $5 where id = $1 and lease = $2",
            job.request.id,
            job.lease,
            Json(&job.plan) as _,
            Json(&job.receipt) as _,
            job.mutating,
        )
        .execute(&mut *tx)
        .await?;
        if written.rows_affected() == 0 {
            return Err(Interruption::LeaseLost);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Marks the job as finished.
    pub(super) async fn finish(&self, job: &Claimed) -> Result<(), Interruption> {
        let mut tx = self.database.work().await?;
        let finished = sqlx::query!(
            "update privacy.erasures set finished_at = now(), lease = null
             where id = $1 and lease = $2",
            job.request.id,
            job.lease,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if finished.rows_affected() == 1 { Ok(()) } else { Err(Interruption::LeaseLost) }
    }

    /// Releases the job until `pause` has passed, and records the failure if there was one.
    pub(super) async fn pause(
        &self,
        job: &mut Claimed,
        pause: Duration,
        failure: Option<String>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.database.work().await?;
        if let Some(message) = failure {
            job.failures += 1;
            job.errors.push(ErasureFailure { at: Utc::now(), message });
            let surplus = job.errors.len().saturating_sub(ERRORS_KEPT);
            job.errors.drain(..surplus);
        }
        sqlx::query!(
            "update privacy.erasures set due_at = now() + $3::double precision * interval '1 second', lease = null,
                 failures = $4, errors = $5
             where id = $1 and lease = $2",
            job.request.id,
            job.lease,
            pause.as_secs_f64(),
            job.failures,
            Json(&job.errors) as _,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes the jobs that are no longer needed as proof.
    pub(super) async fn sweep(&self) -> Result<u64, sqlx::Error> {
        let mut tx = self.database.work().await?;
        let swept = sqlx::query!("delete from privacy.erasures where finished_at < now() - interval '3 years'")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(swept.rows_affected())
    }
}
