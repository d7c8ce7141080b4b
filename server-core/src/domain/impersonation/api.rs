use poem_openapi::{OpenApi, param::Path};
use server_shared::{
    ApiError,
    http::{Body, Created, NoContent},
};

use super::{
    Service,
    model::{BeginImpersonation, ImpersonationToken},
};
use crate::{
    domain::Tag,
    identity::{Permission, Person},
    ids::{ImpersonationId, PatientId},
};

/// `/v1/patients/{patient_id}/impersonate` and `/v1/impersonations`
pub(crate) struct Api {
    pub(crate) impersonations: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Identity")]
impl Api {
    /// Act as a patient
    ///
    /// Returns a token, which is shown only once. Requests with the token have the rights of the patient, and every
    /// audit entry names the patient and the administrator. An impersonation lasts at most half an hour. It ends
    /// earlier if `impersonation_delete` is called, if the administrator's session ends, or if the role of the patient
    /// or the administrator changes. The token can't be exchanged for a token for Telemetry. Answers 409
    /// `patient_has_no_user` if no user is linked to the patient.
    #[oai(path = "/patients/:patient_id/impersonate", method = "post", operation_id = "patient_impersonate")]
    async fn patient_impersonate(
        &self,
        caller: Person,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        body: Body<BeginImpersonation>,
    ) -> Result<Created<ImpersonationToken>, ApiError> {
        caller.may(Permission::PatientImpersonate)?;
        Ok(Created(self.impersonations.begin(&caller, caller.organization()?, patient_id.0, &body).await?))
    }

    /// End an impersonation
    ///
    /// Ends the impersonation; its token is refused from then on. A repeated request has no further effect.
    #[oai(path = "/impersonations/:impersonation_id", method = "delete", operation_id = "impersonation_delete")]
    async fn impersonation_delete(
        &self,
        caller: Person,
        /// Id of the impersonation.
        impersonation_id: Path<ImpersonationId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::PatientImpersonate)?;
        self.impersonations.end(&caller, impersonation_id.0).await?;
        Ok(NoContent)
    }
}
