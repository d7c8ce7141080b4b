//! The operations on what is held on a person.

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
    /// Erase what is held on a person
    ///
    /// For Core only. Starts a job over both stores; see `privacy_job_get` for its plan and receipt.
    /// While it runs nothing more is stored about the person. Sending a request again gives the job
    /// it has already; 409 `request_id_reused` when the id belongs to a request for something else.
    #[oai(path = "/subjects/:subject_id", method = "delete", operation_id = "privacy_subject_erase")]
    #[allow(clippy::too_many_arguments, reason = "one argument a parameter")]
    async fn privacy_subject_erase(
        &self,
        _core: Service,
        /// Id in Core of the user, or of the patient with `subject_kind=patient`.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        /// Names the request, and becomes the id of its job.
        request_id: Query<Uuid>,
        /// What the id is the id of; a user when left out. What is keyed by a patient is asked for
        /// apart from what is keyed by its user.
        subject_kind: Query<Option<SubjectKind>>,
        /// Only what belongs to this organization, with 0 what belongs to none; every organization when
        /// left out.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// How far it goes; `erase` when left out.
        mode: Query<Option<ErasureMode>>,
        /// With `true` only the plan is made and nothing changed.
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

    /// Export what is held on a person
    ///
    /// For Core only. One JSON document of everything that is held in both stores. It is sent as it
    /// is read: if a store fails on the way, the connection breaks off.
    #[oai(path = "/subjects/:subject_id/export", method = "get", operation_id = "privacy_subject_export")]
    async fn privacy_subject_export(
        &self,
        core: Service,
        /// Id in Core of the user, or of the patient with `subject_kind=patient`.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        /// What the id is the id of; a user when left out.
        subject_kind: Query<Option<SubjectKind>>,
        /// Only what belongs to this organization; every organization when left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
    ) -> Result<Disclosed<Exported, Service>, ApiError> {
        let subject = subject(subject_kind.0, subject_id.0, organization_id.0);
        let export = self.erasures.export(subject).await?;
        Ok(Disclosed::new(Exported(streamed::body(export)), &core))
    }

    /// Get the job of an erasure
    ///
    /// For Core only. Its plan, and as it goes on its receipt. What fails is tried again by itself.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "privacy_job_get")]
    async fn privacy_job_get(
        &self,
        _core: Service,
        /// The `request_id` of the request.
        job_id: Path<Uuid>,
    ) -> Result<Json<ErasureJob>, ApiError> {
        Ok(Json(self.erasures.job(job_id.0).await?))
    }
}

fn subject(kind: Option<SubjectKind>, id: i64, organization_id: Option<i64>) -> DataSubject {
    DataSubject { kind: kind.unwrap_or(SubjectKind::User), id, organization_id }
}

/// 200 with a document that is written while it is sent. It has a media type of its own, so that
/// clients hand out its bytes instead of holding all of it.
struct Exported(Body);

impl Exported {
    const CONTENT_TYPE: &'static str = "application/vnd.restartix.subject+json";
}

impl ApiResponse for Exported {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Everything that is held on the person.",
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
