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
    /// The answer shows a token, once: whoever sends it is the patient, and every audit row names both.
    /// It lasts half an hour at most, ends with the session that asked for it and when one of the two is
    /// something else in the organization, gives no token for Telemetry, and can be ended before. 409
    /// `patient_has_no_user` for a patient who can't sign in.
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
    /// Its token is refused from then on. Repeated, it does nothing more.
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
