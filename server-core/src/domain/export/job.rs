//! Job that writes an export into a file in S3.
//!
//! Each run begins anew, with a snapshot of its own. The file is there once it is complete, and only then is the export
//! recorded as succeeded, unless an erasure has ended it meanwhile: the run gives up, or deletes the file.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use server_shared::http::{
    csv::{CONTENT_TYPE, Table, Watch},
    disposition::attachment,
};

use super::{
    error::ExportError,
    event::ExportEvent,
    model::{ExportRecord, ExportState, file_key},
    repository::{self, OpenFile},
    rows::rows,
    service::Service,
};
use crate::{
    identity::Caller,
    ids::OrganizationId,
    integration::s3::{NewObject, StorageError, Upload},
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// Number of days for which a file is kept.
const KEPT_DAYS: i32 = 7;
/// Size of the parts of a file in bytes; S3 takes 10,000 of at least 5 MiB.
const PART: usize = 8 * 1024 * 1024;
/// Longest time for which the rows of a file are read.
const LONGEST: Duration = Duration::from_hours(1);

/// Export into a file, which has the id of its job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct CsvExport {}

impl Work for CsvExport {
    const KIND: &'static str = "csv_export";
    // Each holds a connection and a snapshot for as long as it takes.
    const WIDTH: usize = 2;
    const ATTEMPTS: Option<i32> = Some(5);
}

/// Handler of exports into files.
pub(crate) struct FileMaker(pub(crate) Service);

#[async_trait]
impl Handler for FileMaker {
    type Work = CsvExport;

    async fn run(&self, _: CsvExport, attempt: &JobRun) -> Result<Outcome, JobError> {
        let (exports, organization) = (&self.0, attempt.organization()?);
        let export = ExportRecord(attempt.id);
        let across = exports.database.across();
        let Some(open) = repository::file_open(across, export).await? else { return Ok(Outcome::Done) };
        if !repository::may_export(across, attempt.asked_by, organization).await? {
            return Err(JobError::fatal("asker_not_allowed", "the asker is no administrator any more"));
        }
        let caller = Caller::job(Some(organization), CsvExport::KIND, attempt.id);
        let run = Run { exports, export, organization, key: file_key(organization, export.0), caller };
        if let Some(upload) = &open.upload_id {
            run.give_up(upload).await?;
        }
        run.run(open).await?;
        Ok(Outcome::Done)
    }
}

/// Run of an export.
struct Run<'a> {
    exports: &'a Service,
    export: ExportRecord,
    organization: OrganizationId,
    key: String,
    caller: Caller,
}

impl Run<'_> {
    async fn run(&self, open: OpenFile) -> Result<(), JobError> {
        let (exports, export) = (self.exports, self.export);
        let input = exports.request_open(self.organization, export, &open.request).await?;
        let snapshot = exports.database.snapshot(&self.caller);
        let (mut snapshot, source) =
            exports.sources.table(self.organization, &input, snapshot).await.map_err(refused)?;
        let planned = source.table.count(&mut snapshot).await?;
        source.table.declare(&mut snapshot).await?;
        let mut tx = exports.database.write(&self.caller).await?;
        if !repository::file_run(&mut tx, export, planned).await? {
            return Ok(());
        }
        tx.commit(ExportEvent::Started(export, source.names(u64::try_from(planned).ok()))).await?;

        let written = Written::default();
        let table = Table {
            header: source.table.header(),
            byte_order_mark: input.byte_order_mark,
            delimiter: input.delimiter.into(),
            rows: rows(snapshot, &source.table, LONGEST, None),
        };
        let chunks = table.into_watched_body(written.clone()).into_bytes_stream();
        let disposition = attachment(&open.file_name);
        let disposition = disposition.to_str().unwrap_or("attachment");
        let new = NewObject { key: &self.key, content_type: CONTENT_TYPE, disposition };
        let mut upload = None;
        let stored = self.store(Box::pin(chunks), new, &mut upload, &written).await;
        if let (Err(_) | Ok(None), Some(upload)) = (&stored, &upload) {
            self.give_up(upload.id()).await?;
        }
        let Some(bytes) = stored? else { return Ok(()) };

        let mut tx = exports.database.write(&self.caller).await?;
        if repository::file_finish(&mut tx, export, written.rows(), bytes, KEPT_DAYS).await? {
            tx.commit(ExportEvent::Completed(export, written.rows())).await?;
            return Ok(());
        }
        drop(tx);
        if repository::file_state(exports.database.across(), export).await? != Some(ExportState::Succeeded) {
            // An erasure came first, and has deleted the files that were there.
            exports.storage.delete(std::slice::from_ref(&self.key)).await.map_err(storage_failed)?;
        }
        Ok(())
    }

    /// Gives up an upload. S3 may be out of reach, or know nothing of it any more: its parts are left to the rules of
    /// the bucket then.
    async fn give_up(&self, upload: &str) -> Result<(), JobError> {
        if let Err(error) = self.exports.storage.upload_abort(&self.key, upload).await {
            tracing::warn!(?error, "the upload of an export could not be given up");
        }
        repository::file_progress(self.exports.database.across(), self.export, None, 0).await?;
        Ok(())
    }

    /// Stores the chunks of a file, in parts if it is large; returns its size in bytes, and `None` if the end of the
    /// export is recorded, so that there is to be no file. `upload` is one that is under way if nothing is stored.
    async fn store(
        &self,
        mut chunks: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        new: NewObject<'_>,
        upload: &mut Option<Upload>,
        written: &Written,
    ) -> Result<Option<u64>, JobError> {
        let (storage, across) = (&self.exports.storage, self.exports.database.across());
        let (mut part, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| JobError::retry("export_broken_off", error))?;
            part.extend_from_slice(&chunk);
            bytes += chunk.len() as u64;
            if part.len() < PART {
                continue;
            }
            if upload.is_none() {
                let begun = upload.insert(storage.upload_begin(new).await.map_err(storage_failed)?);
                // A run that ends with its process leaves the parts to the next one.
                if !repository::file_progress(across, self.export, Some(begun.id()), 0).await? {
                    return Ok(None);
                }
            }
            let Some(upload) = upload.as_mut() else { continue };
            // A buffer that grows by itself takes up to twice the size of the part.
            let full = std::mem::replace(&mut part, Vec::with_capacity(PART + PART / 8));
            storage.upload_part(upload, full.into()).await.map_err(storage_failed)?;
            if !repository::file_progress(across, self.export, Some(upload.id()), written.rows()).await? {
                return Ok(None);
            }
        }
        if let Some(begun) = upload.as_mut()
            && !part.is_empty()
        {
            storage.upload_part(begun, std::mem::take(&mut part).into()).await.map_err(storage_failed)?;
        }
        let upload_id = upload.as_ref().map(Upload::id);
        if !repository::file_progress(across, self.export, upload_id, written.rows()).await? {
            return Ok(None);
        }
        match upload {
            Some(begun) => storage.upload_complete(begun).await,
            None => storage.put(new, part.into()).await,
        }
        .map_err(storage_failed)?;
        Ok(Some(bytes))
    }
}

/// Number of rows that are written.
#[derive(Debug, Clone, Default)]
struct Written(Arc<AtomicU64>);

impl Written {
    fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Watch for Written {
    fn taken(&mut self, rows: u64) {
        self.0.fetch_add(rows, Ordering::Relaxed);
    }

    async fn finished(self) -> io::Result<()> {
        Ok(())
    }

    async fn failed(self) {}
}

fn storage_failed(error: StorageError) -> JobError {
    JobError::retry("storage_unavailable", error)
}

/// Returns the failure of a request whose table can't be made.
fn refused(error: ExportError) -> JobError {
    match error {
        ExportError::Database(error) => error.into(),
        // E.g. a form template that has been deleted since.
        error => JobError::fatal("request_refused", error),
    }
}
