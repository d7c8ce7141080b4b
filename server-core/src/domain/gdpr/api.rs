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
    /// Export what is held on a user
    ///
    /// One JSON document of everything that both services hold: in the organization of the request, or,
    /// for a superadmin who names none, in all of them. It is sent as it is read: if something fails on
    /// the way, the connection breaks off. Audited, each record of it.
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
    /// Deletes what the law doesn't require to be kept in the organization of the request and
    /// anonymizes the rest; the membership there ends. The account stays: it is the person's own, who ends it
    /// by `me_delete`. A superadmin who names no organization erases in all of them, and then the account, here
    /// and at the identity provider. A job does it; asked for again, it is the same job. 409 `last_admin` where
    /// an organization would be left without an admin.
    #[oai(path = "/users/:user_id", method = "delete", operation_id = "gdpr_user_erase")]
    async fn gdpr_user_erase(
        &self,
        caller: Person,
        /// Id of the user.
        user_id: Path<UserId>,
        /// With `true` only the plan is made and nothing changed.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::User(user_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Erase, dry_run.0.unwrap_or_default()).await?))
    }

    /// Anonymize a user
    ///
    /// Like erasing, but keeps what can be kept without naming anybody.
    #[oai(path = "/users/:user_id/anonymize", method = "post", operation_id = "gdpr_user_anonymize")]
    async fn gdpr_user_anonymize(
        &self,
        caller: Person,
        /// Id of the user.
        user_id: Path<UserId>,
        /// With `true` only the plan is made and nothing changed.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::User(user_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Anonymize, dry_run.0.unwrap_or_default()).await?))
    }

    /// Export what is held on a patient
    ///
    /// As for users. A patient whose user is nothing but a patient here is exported as the user.
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
    /// As for users. The patient's data key is destroyed, which ends what was sealed with it in backups
    /// too. A patient whose user is nothing but a patient here is erased as the user; of one who works
    /// here, the patient record alone.
    #[oai(path = "/patients/:patient_id", method = "delete", operation_id = "gdpr_patient_erase")]
    async fn gdpr_patient_erase(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// With `true` only the plan is made and nothing changed.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::Patient(patient_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Erase, dry_run.0.unwrap_or_default()).await?))
    }

    /// Anonymize a patient
    ///
    /// Like erasing, but keeps what can be kept without naming anybody.
    #[oai(path = "/patients/:patient_id/anonymize", method = "post", operation_id = "gdpr_patient_anonymize")]
    async fn gdpr_patient_anonymize(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// With `true` only the plan is made and nothing changed.
        dry_run: Query<Option<bool>>,
    ) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.may(Permission::GdprManage)?;
        let subject = Subject::Patient(patient_id.0);
        Ok(Accepted(self.gdpr.erase(&caller, subject, ErasureMode::Anonymize, dry_run.0.unwrap_or_default()).await?))
    }

    /// Get an erasure
    ///
    /// Its plan, and as it goes on its receipt: place by place what was really changed, in both
    /// services. What fails is tried again by itself.
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

/// `/v1/me`, as far as it ends.
pub(crate) struct AccountApi {
    pub(crate) gdpr: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Identity")]
impl AccountApi {
    /// End the caller's own account
    ///
    /// Every membership ends at once; then the account goes, here and at the identity provider, with what it
    /// did above organizations. What clinics hold on the person stays theirs, without a login: each of them is
    /// asked for that (`gdpr_user_erase`, `gdpr_patient_erase`). A job does it; asked for again, it is the same
    /// job. 409 `last_admin` where an organization would be left without an admin.
    #[oai(path = "/me", method = "delete", operation_id = "me_delete")]
    async fn me_delete(&self, caller: Person) -> Result<Accepted<ErasureAccepted>, ApiError> {
        caller.in_person()?;
        Ok(Accepted(self.gdpr.leave(&caller).await?))
    }
}

/// 200 with a document that is written while it is sent. It has a media type of its own, so that
/// clients hand out its bytes instead of holding all of it.
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
                description: "Everything that is held on the person.",
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
