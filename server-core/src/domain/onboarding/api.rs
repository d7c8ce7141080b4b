use poem_openapi::OpenApi;
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    Service,
    model::{OnboardPatient, OnboardedPatient},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
};

/// Operation that enters a patient with everything that belongs to it.
pub(crate) struct Api {
    pub(crate) onboarding: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Patients")]
impl Api {
    /// Onboard a patient
    ///
    /// Creates a patient with the first values of the profile, invites a person to sign in as the patient, and records
    /// decisions on consent: all of it or, after any error, nothing. The person is linked to the record by accepting;
    /// as for `patient_link`, the answer is the same whether or not an account has the address, and a person without
    /// one receives an e-mail from the identity provider. Decisions on consent are kept by the Telemetry API, where
    /// they arrive shortly after; they count for the person's events from the acceptance on, unless the person decides
    /// otherwise. The answer lists patients who may be the same person and writes an audit entry for each of them; they
    /// never prevent the creation. Answers 409 `patient_email_taken` as `patient_create` does. Answers 409
    /// `member_role_conflict` and `patient_user_taken` as `patient_link` does, but only to callers who see the members
    /// of the organization. Send an `Idempotency-Key`, so that a repeated request does not create a second patient.
    #[oai(path = "/patients/onboard", method = "post", operation_id = "patient_onboard")]
    async fn patient_onboard(
        &self,
        caller: Caller,
        body: Body<OnboardPatient>,
    ) -> Result<Disclosed<Created<OnboardedPatient>>, ApiError> {
        caller.may(Permission::PatientWrite)?;
        if body.login.as_ref().is_some_and(|login| login.user_id.is_some()) {
            caller.may(Permission::RecordLink)?;
        }
        Ok(self.onboarding.onboard(&caller, caller.organization()?, body.0).await?.map(Created))
    }
}
