//! Operations with which Core sends consents and joins patients with users.

use std::sync::Arc;

use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use server_shared::{
    ApiError,
    http::{Body, NoContent},
};

use super::{
    SubjectService,
    model::{SubjectConsentUpdate, SubjectJoin},
};
use crate::{identity::Service, ingest::Tag, privacy::erasure::SubjectKind};

/// Operations under `/v1/privacy/subjects`.
pub(crate) struct SubjectApi {
    pub subjects: Arc<SubjectService>,
}

#[OpenApi(prefix_path = "/v1/privacy", tag = "Tag::Privacy")]
impl SubjectApi {
    /// Store a person's consent
    ///
    /// Permitted to Core only. Stores decisions that an organization collected, mostly of a patient without a login:
    /// when a user accepts to be the patient, `privacy_subject_join` makes them the user's. A decision of a patient is
    /// stored once, however often it is sent. A decision of a user counts only if it is later than the user's own.
    /// Answers 409 `erasure_in_progress` while the person's data is being erased, and 409 `subject_erased` after a
    /// patient's data has been erased.
    #[oai(path = "/subjects/:subject_id/consent", method = "put", operation_id = "privacy_subject_consent_put")]
    async fn privacy_subject_consent_put(
        &self,
        _core: Service,
        /// Id of the user in Core or, with `subject_kind=patient`, of the patient record.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        /// Kind of the person's id; `user` if left out.
        subject_kind: Query<Option<SubjectKind>>,
        body: Body<SubjectConsentUpdate>,
    ) -> Result<NoContent, ApiError> {
        let kind = subject_kind.0.unwrap_or(SubjectKind::User);
        self.subjects.consent_put(kind, subject_id.0, &body).await?;
        Ok(NoContent)
    }

    /// Join a patient with a user
    ///
    /// Permitted to Core only. Core sends it when a user has accepted to sign in as the patient, or as the patient
    /// whose record this one was merged into: decisions on consent that are stored for the patient, or arrive later,
    /// count for the user, unless the user has decided later. A repeated request has no further effect, and the end of
    /// the link in Core undoes nothing. Answers 409 `erasure_in_progress` while the data of patient or user is being
    /// erased, and 409 `subject_erased` after the patient's data has been erased.
    #[oai(path = "/subjects/:subject_id/join", method = "post", operation_id = "privacy_subject_join")]
    async fn privacy_subject_join(
        &self,
        _core: Service,
        /// Id of the patient record in Core.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        subject_id: Path<i64>,
        body: Body<SubjectJoin>,
    ) -> Result<NoContent, ApiError> {
        self.subjects.join(subject_id.0, *body).await?;
        Ok(NoContent)
    }
}
