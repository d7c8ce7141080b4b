//! Operations on export and erasure of a person's data.

use std::sync::Arc;

use poem::{Body, IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use server_shared::{
    ApiError,
    http::{Accepted, streamed},
    mark::Disclosed,
};
use uuid::Uuid;

use super::{
    ErasureService,
    model::{DataSubject, ErasureAccepted, ErasureJob, ErasureMode, ErasureRequest, SubjectExport, SubjectKind},
};
use crate::{identity::Service, ingest::Tag};

/// Operations under `/v1/privacy/subjects` and `/v1/privacy/jobs`.
pub(crate) struct ErasureApi {
    pub erasures: Arc<ErasureService>,
}

#[OpenApi(prefix_path = "/v1/privacy", tag = "Tag::Privacy")]
impl ErasureApi {
    /// Erase a person's data
    ///
    /// Permitted to Core only. Starts a job that erases the data in both stores; `privacy_job_get` returns its plan and
    /// receipt. While the job runs, no data about the person is stored. A repeated request returns the existing job;
    /// 409 `request_id_reused` if its id belongs to a different request.
    #[oai(path = "/subjects/:subject_id", method = "delete", operation_id = "privacy_subject_erase")]
    #[allow(clippy::too_many_arguments, reason = "one argument a parameter")]
    async fn privacy_subject_erase(
        &self,
        _core: Service,
        /// Id of the user in Core or, with `subject_kind=patient`, of the patient record.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        /// Id of the request, which becomes the id of the job.
        request_id: Query<Uuid>,
        /// Kind of the person's id; `user` if left out. Data that is stored under the id of a patient and data that is
        /// stored under the id of the patient's user need separate requests.
        subject_kind: Query<Option<SubjectKind>>,
        /// Organization whose data is erased, 0 for data that belongs to none; data of every organization if left out.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Extent of the erasure; `erase` if left out.
        mode: Query<Option<ErasureMode>>,
        /// `true` to make only the plan and change nothing.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        let request = ErasureRequest {
            id: request_id.0,
            subject: subject(subject_kind.0, subject_id.0, organization_id.0),
            mode: mode.0.unwrap_or_default(),
            dry_run: dry_run.0.unwrap_or_default(),
        };
        Ok(Accepted(self.erasures.request(&request).await?))
    }

    /// Export a person's data
    ///
    /// Permitted to Core only. Returns one JSON document with all data about the person in both stores. The document is
    /// sent while it is read: if a store fails meanwhile, the connection is closed early.
    #[oai(path = "/subjects/:subject_id/export", method = "get", operation_id = "privacy_subject_export")]
    async fn privacy_subject_export(
        &self,
        core: Service,
        /// Id of the user in Core or, with `subject_kind=patient`, of the patient record.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        /// Kind of the person's id; `user` if left out.
        subject_kind: Query<Option<SubjectKind>>,
        /// Organization whose data is exported; data of every organization if left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
    ) -> Result<Disclosed<Exported, Service>, ApiError> {
        let subject = subject(subject_kind.0, subject_id.0, organization_id.0);
        let export = self.erasures.export(subject).await?;
        Ok(Disclosed::new(Exported(streamed::body(export)), &core))
    }

    /// Get the job of an erasure
    ///
    /// Permitted to Core only. Returns the plan of the job and, as it proceeds, its receipt. Failed steps are retried
    /// automatically.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "privacy_job_get")]
    async fn privacy_job_get(
        &self,
        _core: Service,
        /// Id of the job: the `request_id` of the erasure.
        job_id: Path<Uuid>,
    ) -> Result<Json<ErasureJob>, ApiError> {
        Ok(Json(self.erasures.job(job_id.0).await?))
    }
}

fn subject(kind: Option<SubjectKind>, id: i64, organization_id: Option<i64>) -> DataSubject {
    DataSubject { kind: kind.unwrap_or(SubjectKind::User), id, organization_id }
}

/// Answer 200 with a document that is written while it is sent. Its media type differs from JSON's, so that the
/// clients return a stream of bytes instead of loading the whole document.
struct Exported(Body);

impl Exported {
    const CONTENT_TYPE: &'static str = "application/vnd.restartix.subject+json";
}

impl ApiResponse for Exported {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "All data about the person.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: SubjectExport::schema_ref() }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        SubjectExport::register(registry);
    }
}

impl IntoResponse for Exported {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).content_type(Self::CONTENT_TYPE).body(self.0)
    }
}
