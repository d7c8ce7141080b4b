use std::time::Duration;

use chrono::Utc;
use poem_openapi::types::{ParseFromJSON as _, ToJSON as _};
use server_shared::http::csv::{CsvFile, Table};
use uuid::Uuid;

use super::{
    error::ExportError,
    event::ExportEvent,
    input::CsvExportInput,
    job::CsvExport,
    model::{ExportJob, ExportRecord, ExportState, file_key, files_organization},
    places::Places,
    repository::{self, FileRow},
    rows::rows,
    sending::Sending,
    source::{Sources, Wanted},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Sealed, WriteTx},
    domain::{appointment, form, patient},
    encryption::OrganizationKeys,
    identity::Caller,
    ids::OrganizationId,
    integration::s3::Storage,
};

/// Longest time for which a table is sent. What takes longer is for a job.
const LONGEST: Duration = Duration::from_mins(10);
/// Time for which a link to a file is valid.
const LINK_VALID: Duration = Duration::from_mins(5);
/// Table and name that the request of a job is sealed for.
const TABLE: &str = "exports";
const REQUEST: &str = "request";

/// Ends the exports into files whose prefixes are among these, because they may hold a person who was erased.
pub(crate) async fn files_withdraw(tx: &mut WriteTx, prefixes: &[String]) -> Result<(), DatabaseError> {
    let organizations: Vec<i64> = prefixes.iter().filter_map(|prefix| files_organization(prefix)).collect();
    repository::files_withdraw(tx, &organizations).await
}

/// Service for exports of tables.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
    pub(super) keys: OrganizationKeys,
    pub(super) storage: Storage,
    pub(super) sources: Sources,
    places: Places,
}

impl Service {
    /// Builds the service; `connections` is the largest number of connections of a pool.
    pub(crate) fn new(
        database: Database,
        keys: OrganizationKeys,
        storage: Storage,
        (patients, appointments, forms): (patient::Service, appointment::Service, form::Service),
        connections: u32,
    ) -> Self {
        let sources = Sources { patients, appointments, forms };
        Self { database, keys, storage, sources, places: Places::new(connections) }
    }

    /// Sends a table while it is read. The trail has the number of its rows before the first byte leaves, and the
    /// number of those that have left before its end.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: CsvExportInput,
    ) -> Result<Disclosed<CsvFile>, ExportError> {
        let Wanted { input, entity } = Wanted::check(caller, input)?;
        // Nobody waits for a place: each may be taken for minutes.
        let place = self.places.take(organization).ok_or(ExportError::Busy)?;
        let snapshot = self.database.snapshot(caller);
        let (mut snapshot, source) = self.sources.table(organization, &input, snapshot).await?;
        let planned = source.table.count(&mut snapshot).await?;
        source.table.declare(&mut snapshot).await?;

        let export = ExportRecord(Uuid::now_v7());
        // The answer is not kept for a repeated request, and what is recorded of it holds although it may break off.
        let mut tx = self.database.write_apart(caller, Vec::new()).await?;
        repository::export_begin(&mut tx, organization, export, entity, planned).await?;
        let exported = ExportEvent::Exported(export, source.names(u64::try_from(planned).ok()));
        let snapshot = tx.commit_sealed(Sealed::new(snapshot), |_| exported).await?;
        let sending = Sending::new(self.database.clone(), caller, export);
        Ok(snapshot.map(|snapshot| {
            let table = Table {
                header: source.table.header(),
                byte_order_mark: input.byte_order_mark,
                delimiter: input.delimiter.into(),
                rows: rows(snapshot, &source.table, LONGEST, Some(place)),
            };
            CsvFile::watched(entity.file_name(Utc::now()), table, sending)
        }))
    }

    /// Lets a job write a table into a file. Its filters may name a person, so the request is stored sealed.
    pub(super) async fn file_request(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: CsvExportInput,
    ) -> Result<ExportJob, ExportError> {
        let Wanted { input, entity } = Wanted::check(caller, input)?;
        let snapshot = self.database.snapshot(caller);
        // Looks up everything that the request refers to, so that a fault is answered and no job fails for it.
        let (snapshot, source) = self.sources.table(organization, &input, snapshot).await?;
        snapshot.end().await?;
        let key = self.keys.of(organization).await?;
        let mut tx = self.database.write(caller).await?;
        let Some(id) = tx.enqueue(&CsvExport {}).await? else {
            return Err(DatabaseError::Damaged("a job without a key was not enqueued".to_owned()).into());
        };
        let sealed = key.row(TABLE, id).seal(REQUEST, Some(&input.to_json_string())).unwrap_or_default();
        let file_name = entity.file_name(Utc::now());
        let export = ExportRecord(id);
        let stored = (file_name.as_str(), sealed.as_slice());
        let created_at = repository::file_begin(&mut tx, organization, export, entity, stored).await?;
        tx.commit(ExportEvent::Requested(export, source.names(None))).await?;
        Ok(ExportJob {
            id,
            entity,
            state: ExportState::Queued,
            file_name,
            rows_planned: None,
            rows_written: 0,
            bytes: None,
            download_url: None,
            error_code: None,
            created_at,
            started_at: None,
            finished_at: None,
            expires_at: None,
        })
    }

    /// Returns an export into a file, with a link to the file once it is complete.
    pub(super) async fn file_get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: Uuid,
    ) -> Result<Disclosed<ExportJob>, ExportError> {
        // Made beforehand, for it is made without a request, and the row is sealed.
        let link = self.storage.link(&file_key(organization, id), LINK_VALID).await.map_err(ExportError::Storage)?;
        let mut tx = self.database.disclose(caller).await?;
        let row = tx.get::<FileRow>(id).await?.ok_or(ExportError::NotFound)?;
        let job = row.try_map(|row| Ok::<_, DatabaseError>(row.shown(link)))?;
        Ok(tx.disclose(job, |_| Audit::read([&ExportRecord(id)])).await?)
    }

    /// Opens the request of a job.
    pub(super) async fn request_open(
        &self,
        organization: OrganizationId,
        export: ExportRecord,
        sealed: &[u8],
    ) -> Result<CsvExportInput, DatabaseError> {
        let key = self.keys.of(organization).await?;
        let request = key.row(TABLE, export.0).open(REQUEST, Some(sealed))?;
        let json = request.and_then(|request| serde_json::from_str(request.get()).ok());
        CsvExportInput::parse_from_json(json)
            .map_err(|_| DatabaseError::Damaged(format!("the request of export {} can't be read", export.0)))
    }
}
