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
};
use uuid::Uuid;

use super::{
    Service,
    export::Export,
    model::{ErasureAccepted, ErasureJob, ErasureMode, PersonExport, Subject},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Permission, Person},
    ids::{PatientId, UserId},
};

/// `/v1/gdpr`
pub(crate) struct Api {
    pub(crate) gdpr: Service,
}

#[OpenApi(prefix_path = "/v1/gdpr", tag = "Tag::Privacy")]
impl Api {
    /// Export the data of a user
    ///
    /// Returns one JSON document with all data that both services hold on the user in the organization of the request,
    /// or in all organizations for a superadmin who names none. The document is sent while it is read: if a store fails
    /// meanwhile, the connection is closed early. Writes an audit entry for each exported record.
    #[oai(path = "/users/:user_id/export", method = "get", operation_id = "gdpr_user_export")]
    async fn gdpr_user_export(
        &self,
        caller: Person,
        /// Id of the user.
        user_id: Path<UserId>,
    ) -> Result<Disclosed<Exported>, ApiError> {
        caller.may(Permission::GdprManage)?;
        Ok(self.gdpr.export(&caller, Subject::User(user_id.0)).await?.map(Exported::of))
    }

    /// Erase a user
    ///
    /// Deletes the user's data in the organization of the request and anonymizes data that the law requires to be kept;
    /// the membership there ends. The account stays: only the person ends it, by `me_delete`. For a superadmin who
    /// names no organization, the erasure covers all organizations and the account, here and at the identity provider.
    /// A job carries out the erasure; `gdpr_job_get` returns its state. A repeated request returns the same job, even
    /// after it has finished; each dry run is a separate job. Answers 404 `user_not_found` if there is neither data of
    /// the user nor such a job. Answers 409 `last_admin` if an organization would be left without an administrator.
    #[oai(path = "/users/:user_id", method = "delete", operation_id = "gdpr_user_erase")]
    async fn gdpr_user_erase(
        &self,
        caller: Person,
        /// Id of the user.
        user_id: Path<UserId>,
        /// `true` to make only the plan and change nothing.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::User(user_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Erase, dry_run.0.unwrap_or_default()).await?))
    }

    /// Anonymize a user
    ///
    /// Does the same as an erasure, but keeps data that can be kept without identifying the person, and deletes only
    /// the rest.
    #[oai(path = "/users/:user_id/anonymize", method = "post", operation_id = "gdpr_user_anonymize")]
    async fn gdpr_user_anonymize(
        &self,
        caller: Person,
        /// Id of the user.
        user_id: Path<UserId>,
        /// `true` to make only the plan and change nothing.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::User(user_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Anonymize, dry_run.0.unwrap_or_default()).await?))
    }

    /// Export the data of a patient
    ///
    /// Does the same as `gdpr_user_export`, for a patient and the records that were merged into it. If the patient is
    /// linked to a user whose only role is `patient`, exports the data of the user. Answers 404 `patient_merged` for a
    /// merged record; `details.merged_into` is the patient to export instead.
    #[oai(path = "/patients/:patient_id/export", method = "get", operation_id = "gdpr_patient_export")]
    async fn gdpr_patient_export(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
    ) -> Result<Disclosed<Exported>, ApiError> {
        caller.may(Permission::GdprManage)?;
        Ok(self.gdpr.export(&caller, Subject::Patient(patient_id.0)).await?.map(Exported::of))
    }

    /// Erase a patient
    ///
    /// Does the same as `gdpr_user_erase`, for a patient. The patient's data key is destroyed, so that data encrypted
    /// with it can't be decrypted any more, not even in backups. If the patient is linked to a user whose only role is
    /// `patient`, erases the user; if the user has another role here, erases only the patient record. A repeated
    /// request returns the same job in both cases. Records that were merged into the patient are erased with it;
    /// such a record alone is 404 `patient_merged`. Answers 404 `patient_not_found` if there is neither data of the
    /// patient nor such a job.
    #[oai(path = "/patients/:patient_id", method = "delete", operation_id = "gdpr_patient_erase")]
    async fn gdpr_patient_erase(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// `true` to make only the plan and change nothing.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::Patient(patient_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Erase, dry_run.0.unwrap_or_default()).await?))
    }

    /// Anonymize a patient
    ///
    /// Does the same as an erasure, but keeps data that can be kept without identifying the person, and deletes only
    /// the rest.
    #[oai(path = "/patients/:patient_id/anonymize", method = "post", operation_id = "gdpr_patient_anonymize")]
    async fn gdpr_patient_anonymize(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// `true` to make only the plan and change nothing.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::Patient(patient_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Anonymize, dry_run.0.unwrap_or_default()).await?))
    }

    /// Get the job of an erasure
    ///
    /// Returns the plan of the job and, as it proceeds, its receipt: the changes made so far in both services, one item
    /// for each table or other store. Failed steps are retried automatically.
    #[oai(path = "/jobs/:job_id", method = "get", operation_id = "gdpr_job_get")]
    async fn gdpr_job_get(
        &self,
        caller: Person,
        /// Id of the job.
        job_id: Path<Uuid>,
    ) -> Result<Json<ErasureJob>, ApiError> {
        caller.may(Permission::GdprManage)?;
        Ok(Json(self.gdpr.job(&caller, job_id.0).await?))
    }
}

/// `DELETE /v1/me`
pub(crate) struct AccountApi {
    pub(crate) gdpr: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Identity")]
impl AccountApi {
    /// End the caller's own account
    ///
    /// Ends every membership immediately. A job then erases the account, here and at the identity provider, and the
    /// personal data that belongs to no organization. Patient and specialist records stay with their organizations,
    /// unlinked from the account; each organization erases its own (`gdpr_user_erase`, `gdpr_patient_erase`). A
    /// repeated request returns the same job. Answers 409 `last_admin` if an organization would be left without an
    /// administrator.
    #[oai(path = "/me", method = "delete", operation_id = "me_delete")]
    async fn me_delete(&self, caller: Person) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.in_person()?;
        Ok(Accepted(self.gdpr.leave(&caller).await?))
    }
}

/// Answer 200 with a streamed document. Its own media type makes the generated clients return a stream instead of the
/// whole document.
struct Exported(Body);

impl Exported {
    const CONTENT_TYPE: &'static str = "application/vnd.restartix.person+json";

    fn of(export: Export) -> Self {
        Self(streamed::body(export))
    }
}

impl ApiResponse for Exported {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "All data about the person.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: PersonExport::schema_ref() }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        PersonExport::register(registry);
    }
}

impl IntoResponse for Exported {
    fn into_response(self) -> Response {
        Response::builder().status(StatusCode::OK).content_type(Self::CONTENT_TYPE).body(self.0)
    }
}
