use poem::{Request, http::Version};
use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{
    ApiError,
    http::{Accepted, Body, csv::CsvFile},
};
use uuid::Uuid;

use super::{Service, error::ExportError, input::CsvExportInput, model::ExportJob};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Permission, Person},
};

/// `/v1/export`
pub(crate) struct Api {
    pub(crate) exports: Service,
}

#[OpenApi(prefix_path = "/v1/export", tag = "Tag::Exports")]
impl Api {
    /// Export a table as CSV
    ///
    /// Sends patients, appointments, forms of one template, members of a segment or entries of the audit trail as one
    /// file (RFC 4180, UTF-8) of any number of rows. All rows are of one moment, that of the request. The file is sent
    /// while it is read: if something fails meanwhile, the connection breaks off, so that a part is never taken for
    /// the whole. The audit trail has the number of rows before the first of them is sent, and the number of those that
    /// were sent afterwards.
    ///
    /// Text that people have written begins with an apostrophe where a spreadsheet would run it as a formula; numbers,
    /// dates and telephone numbers in E.164 are as they are. Times are in UTC. Each request is an export of its own,
    /// also with the same `Idempotency-Key`.
    ///
    /// A transfer that takes longer than ten minutes breaks off; use `export_job_create` for what takes longer than a
    /// minute. Answers 503 `exports_busy` while too many tables are being sent, and 400 `http_version_too_old` in
    /// HTTP/1.0, in which an answer that breaks off looks like a complete one.
    #[oai(path = "/csv", method = "post", operation_id = "csv_export")]
    async fn csv_export(
        &self,
        request: &Request,
        caller: Person,
        body: Body<CsvExportInput>,
    ) -> Result<Disclosed<CsvFile>, ApiError> {
        caller.may(Permission::DataExport)?;
        if request.version() < Version::HTTP_11 {
            return Err(ExportError::Version.into());
        }
        Ok(self.exports.send(&caller, caller.organization()?, body.0).await?)
    }

    /// Export a table into a file
    ///
    /// Lets a job write the table of `csv_export` into a file. `export_job_get` tells how far it is, and returns a link
    /// to the file once it is complete. The file is kept for seven days; if a person is erased meanwhile, it is deleted
    /// at once, because it may hold that person.
    #[oai(path = "/jobs", method = "post", operation_id = "export_job_create")]
    async fn export_job_create(
        &self,
        caller: Person,
        body: Body<CsvExportInput>,
    ) -> Result<Accepted<ExportJob>, ApiError> {
        caller.may(Permission::DataExport)?;
        Ok(Accepted(self.exports.file_request(&caller, caller.organization()?, body.0).await?))
    }

    /// Get an export into a file
    ///
    /// Returns the progress of the export, and a link to its file once it is complete. Ask again after some seconds
    /// while `state` is `queued` or `running`. Writes an audit entry.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "export_job_get")]
    async fn export_job_get(
        &self,
        caller: Person,
        /// Id of the export.
        job_id: Path<Uuid>,
    ) -> Result<Disclosed<Json<ExportJob>>, ApiError> {
        caller.may(Permission::DataExport)?;
        Ok(self.exports.file_get(&caller, caller.organization()?, job_id.0).await?.map(Json))
    }
}
