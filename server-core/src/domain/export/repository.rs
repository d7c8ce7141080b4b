use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::model::{ExportEntity, ExportJob, ExportRecord, ExportState};
use crate::{
    database::{Across, DatabaseError, Listed, Tx, WriteTx, columns},
    ids::{OrganizationId, UserId},
};

columns! {
    /// Export into a file, as it is stored.
    pub(super) struct FileRow {
        pub(super) id: Uuid,
        pub(super) entity: ExportEntity,
        pub(super) state: ExportState,
        pub(super) file_name: String,
        pub(super) rows_planned: Option<i64>,
        pub(super) rows_sent: i64,
        pub(super) bytes: Option<i64>,
        pub(super) error_code: Option<String>,
        pub(super) created_at: DateTime<Utc>,
        pub(super) started_at: Option<DateTime<Utc>>,
        pub(super) finished_at: Option<DateTime<Utc>>,
        pub(super) expires_at: Option<DateTime<Utc>>,
    }
}

impl Listed for FileRow {
    const TABLE: &'static str = "exports";
    const COLUMNS: &'static str = Self::COLUMNS;
    const PRESENT: &'static str = "as_file";
}

impl FileRow {
    /// Returns the export as it is answered; `link` is that to its file, if there is one.
    pub(super) fn shown(self, link: String) -> ExportJob {
        // The sweep deletes a file some time after this.
        let is_kept = self.state == ExportState::Succeeded && self.expires_at.is_some_and(|until| Utc::now() < until);
        ExportJob {
            id: self.id,
            entity: self.entity,
            state: self.state,
            file_name: self.file_name,
            rows_planned: self.rows_planned,
            rows_written: self.rows_sent,
            bytes: self.bytes,
            download_url: Some(link).filter(|_| is_kept),
            error_code: self.error_code,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            expires_at: self.expires_at,
        }
    }
}

/// Inserts an export that is sent as an answer, with the number of its rows.
pub(super) async fn export_begin(
    tx: &mut WriteTx,
    organization: OrganizationId,
    export: ExportRecord,
    entity: ExportEntity,
    rows: i64,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        insert into exports (id, organization_id, entity, as_file, state, rows_planned, started_at)
        values ($1, $2, $3, false, 'running', $4, now())
        "#,
        export.0,
        organization.0,
        entity.as_str(),
        rows
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Records the end of an export that is sent as an answer, with the number of rows that have left and the code of a
/// failure; `false` if its end is recorded already.
pub(super) async fn export_settle(
    tx: &mut WriteTx,
    export: ExportRecord,
    sent: u64,
    failure: Option<&str>,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update exports
        set state = case when $3::text is null then 'succeeded' else 'failed' end, rows_sent = $2, error_code = $3,
            finished_at = now()
        where id = $1 and state = 'running' and not as_file
        "#,
        export.0,
        i64::try_from(sent).unwrap_or(i64::MAX),
        failure
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Inserts an export into a file that its job is going to make; `request` is sealed.
pub(super) async fn file_begin(
    tx: &mut WriteTx,
    organization: OrganizationId,
    export: ExportRecord,
    entity: ExportEntity,
    (file_name, request): (&str, &[u8]),
) -> Result<DateTime<Utc>, DatabaseError> {
    let created_at = sqlx::query_scalar!(
        r#"
        insert into exports (id, organization_id, entity, as_file, state, file_name, request_encrypted)
        values ($1, $2, $3, true, 'queued', $4, $5)
        returning created_at
        "#,
        export.0,
        organization.0,
        entity.as_str(),
        file_name,
        request
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(created_at)
}

/// Export that a job makes a file of.
pub(super) struct OpenFile {
    /// Sealed request.
    pub(super) request: Vec<u8>,
    pub(super) file_name: String,
    /// Upload that an earlier run has begun.
    pub(super) upload_id: Option<String>,
}

/// Begins a run of the job of an export, whose snapshot has this number of rows; `false` if its end is recorded, e.g.
/// because of an erasure.
pub(super) async fn file_run(tx: &mut WriteTx, export: ExportRecord, rows: i64) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update exports
        set state = 'running', rows_planned = $2, rows_sent = 0, started_at = now()
        where id = $1 and state in ('queued', 'running') and as_file
        "#,
        export.0,
        rows
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Reads an export whose file is still to be made; `None` if its end is recorded.
pub(super) async fn file_open(across: &Across, export: ExportRecord) -> Result<Option<OpenFile>, DatabaseError> {
    let open = sqlx::query_as!(
        OpenFile,
        r#"
        select request_encrypted as "request!", file_name as "file_name!", upload_id from exports
        where id = $1 and state in ('queued', 'running') and as_file and request_encrypted is not null
        "#,
        export.0
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(open)
}

/// Notes the upload of a run, or that there is none any more, and the rows that are in it; `false` if the end of the
/// export is recorded, e.g. because of an erasure.
pub(super) async fn file_progress(
    across: &Across,
    export: ExportRecord,
    upload: Option<&str>,
    rows: u64,
) -> Result<bool, DatabaseError> {
    let is_open = sqlx::query_scalar!(
        r#"
        update exports set upload_id = $2, rows_sent = $3 where id = $1 and as_file
        returning state = 'running' as "is_open!"
        "#,
        export.0,
        upload,
        i64::try_from(rows).unwrap_or(i64::MAX)
    )
    .fetch_optional(across.pool())
    .await?;
    Ok(is_open == Some(true))
}

/// Records a file that is complete and kept for `days`; `false` if the end of the export is recorded already.
pub(super) async fn file_finish(
    tx: &mut WriteTx,
    export: ExportRecord,
    rows: u64,
    bytes: u64,
    days: i32,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update exports
        set state = 'succeeded', rows_sent = $2, bytes = $3, request_encrypted = null, upload_id = null,
            finished_at = now(), expires_at = now() + make_interval(days => $4)
        where id = $1 and state = 'running' and as_file
        "#,
        export.0,
        i64::try_from(rows).unwrap_or(i64::MAX),
        i64::try_from(bytes).unwrap_or(i64::MAX),
        days
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Reads the state of an export; `None` if its row is deleted.
pub(super) async fn file_state(across: &Across, export: ExportRecord) -> Result<Option<ExportState>, DatabaseError> {
    let state = sqlx::query_scalar!(r#"select state as "state: ExportState" from exports where id = $1"#, export.0)
        .fetch_optional(across.pool())
        .await?;
    Ok(state)
}

/// Returns `true` if a user may export the data of an organization: administrators may in theirs, superadmins
/// everywhere.
pub(super) async fn may_export(
    across: &Across,
    asker: Option<UserId>,
    organization: OrganizationId,
) -> Result<bool, DatabaseError> {
    let Some(asker) = asker else { return Ok(false) };
    let may = sqlx::query_scalar!(
        r#"
        select exists (
            select from users u
            where u.id = $1 and u.deleted_at is null
              and (u.superadmin
                   or exists (select from memberships m
                              where m.user_id = u.id and m.organization_id = $2 and m.role = 'admin'))) as "may!"
        "#,
        asker.0,
        organization.0
    )
    .fetch_one(across.pool())
    .await?;
    Ok(may)
}

/// Export that ended with its process, or whose job has failed for good.
pub(super) struct LeftExport {
    pub(super) id: Uuid,
    pub(super) organization_id: OrganizationId,
    pub(super) as_file: bool,
    /// Code of the last failure of the job.
    pub(super) error_code: Option<String>,
}

/// Finds at most `limit` exports that nobody works on any more: those that were sent as answers and began more than
/// `hours` ago, and those whose job has failed or is gone.
pub(super) async fn exports_left(across: &Across, hours: i32, limit: i64) -> Result<Vec<LeftExport>, DatabaseError> {
    let left = sqlx::query_as!(
        LeftExport,
        r#"
        select e.id, e.organization_id as "organization_id: OrganizationId", e.as_file,
               j.last_error as "error_code?"
        from exports e
        left join jobs j on j.id = e.id
        where e.state in ('queued', 'running')
          and case when e.as_file then j.id is null or j.state in ('succeeded', 'failed')
                   else e.created_at < now() - make_interval(hours => $1) end
        order by e.created_at
        limit $2
        "#,
        hours,
        limit
    )
    .fetch_all(across.pool())
    .await?;
    Ok(left)
}

/// Records that an export is over; `false` if its end is recorded already. The number of rows that have left is not
/// known.
pub(super) async fn export_give_up(tx: &mut WriteTx, export: ExportRecord, code: &str) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update exports set state = 'failed', error_code = $2, request_encrypted = null, finished_at = now()
        where id = $1 and state in ('queued', 'running')
        "#,
        export.0,
        code
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// File that is no longer needed.
pub(super) struct SpentFile {
    pub(super) id: Uuid,
    pub(super) organization_id: OrganizationId,
    pub(super) upload_id: Option<String>,
    /// `false` if a run that does not know of the end of its export may still store the file.
    pub(super) is_settled: bool,
}

/// Finds at most `limit` files whose time is over, or whose export has failed; no run goes on for more than `hours`
/// after that.
pub(super) async fn files_spent(across: &Across, hours: i32, limit: i64) -> Result<Vec<SpentFile>, DatabaseError> {
    let spent = sqlx::query_as!(
        SpentFile,
        r#"
        select id, organization_id as "organization_id: OrganizationId", upload_id,
               state = 'succeeded' or finished_at < now() - make_interval(hours => $1) as "is_settled!"
        from exports
        where as_file and finished_at is not null and file_deleted_at is null
          and (state <> 'succeeded' or expires_at <= now())
        order by finished_at
        limit $2
        "#,
        hours,
        limit
    )
    .fetch_all(across.pool())
    .await?;
    Ok(spent)
}

/// Ends the exports of organizations that are not over yet or have a file: these may hold a person who was erased.
pub(super) async fn files_withdraw(tx: &mut WriteTx, organizations: &[i64]) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        update exports
        set state = 'failed', error_code = 'export_withdrawn', request_encrypted = null, finished_at = now()
        where organization_id = any($1) and as_file and state in ('queued', 'running', 'succeeded')
        "#,
        organizations
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Records that the file of an export is deleted; `false` if that is recorded already.
pub(super) async fn file_gone(tx: &mut WriteTx, export: ExportRecord) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update exports
        set file_deleted_at = now(), upload_id = null,
            state = case when state = 'succeeded' then 'expired' else state end
        where id = $1 and file_deleted_at is null
        "#,
        export.0
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes the rows of exports that ended more than `days` ago and have no file; returns their number.
pub(super) async fn exports_delete(across: &Across, days: i32) -> Result<u64, DatabaseError> {
    let done = sqlx::query!(
        r#"
        delete from exports
        where finished_at < now() - make_interval(days => $1) and (not as_file or file_deleted_at is not null)
        "#,
        days
    )
    .execute(across.pool())
    .await?;
    Ok(done.rows_affected())
}
