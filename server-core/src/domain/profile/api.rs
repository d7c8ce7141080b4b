use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    Service,
    model::{Profile, UpdateProfile},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission, Person},
    ids::{AppointmentId, OrganizationId, PatientId, SpecialistId},
};

/// Profiles of patients, specialists, appointments and organizations.
pub(crate) struct Api {
    pub(crate) profiles: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Profiles")]
impl Api {
    /// Get the profile of a patient
    ///
    /// Returns the values of the custom fields that the caller's role may see, with their definitions. Permitted to
    /// those who may open the patient's record, and to the patient.
    #[oai(path = "/patients/:patient_id/profile", method = "get", operation_id = "patient_profile_get")]
    async fn patient_profile_get(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::PatientRead)?;
        Ok(self.profiles.get(&caller, caller.organization()?, patient_id.0).await?.map(Json))
    }

    /// Set values in the profile of a patient
    ///
    /// Sets the values that the body names, removes those that it gives as `null`, and keeps the others. Answers 409
    /// `stale_version` only if somebody else has changed one of the named fields to another value since `version`; its
    /// details name these fields in `keys`. The answer 422 lists every fault by a pointer to its value: a field that is
    /// unknown, archived or not writable by the caller's role (`not_writable`), or a value that its field refuses.
    #[oai(path = "/patients/:patient_id/profile", method = "put", operation_id = "patient_profile_update")]
    async fn patient_profile_update(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        body: Body<UpdateProfile>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::PatientProfileWrite)?;
        Ok(self.profiles.update(&caller, caller.organization()?, patient_id.0, &body).await?.map(Json))
    }

    /// Get the profile of a specialist
    ///
    /// Returns the values of the custom fields that the caller's role may see, with their definitions. Permitted to all
    /// members of the clinic.
    #[oai(path = "/specialists/:specialist_id/profile", method = "get", operation_id = "specialist_profile_get")]
    async fn specialist_profile_get(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        Ok(self.profiles.get(&caller, caller.organization()?, specialist_id.0).await?.map(Json))
    }

    /// Set values in the profile of a specialist
    ///
    /// Permitted to administrators, the front desk, and the specialist. Merges and answers like
    /// `patient_profile_update`.
    #[oai(path = "/specialists/:specialist_id/profile", method = "put", operation_id = "specialist_profile_update")]
    async fn specialist_profile_update(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
        body: Body<UpdateProfile>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::SpecialistProfileWrite)?;
        Ok(self.profiles.update(&caller, caller.organization()?, specialist_id.0, &body).await?.map(Json))
    }

    /// Get the profile of an appointment
    ///
    /// Returns the values of the custom fields that the caller's role may see, with their definitions. Permitted to
    /// those who see the appointment; to a specialist only while the record of the patient is open to it, otherwise 403
    /// `patient_record_closed`.
    #[oai(path = "/appointments/:appointment_id/profile", method = "get", operation_id = "appointment_profile_get")]
    async fn appointment_profile_get(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::AppointmentRead)?;
        Ok(self.profiles.get(&caller, caller.organization()?, appointment_id.0).await?.map(Json))
    }

    /// Set values in the profile of an appointment
    ///
    /// Permitted like `appointment_profile_get`. Merges and answers like `patient_profile_update`. If the appointment
    /// is given to another patient, its values are deleted.
    #[oai(path = "/appointments/:appointment_id/profile", method = "put", operation_id = "appointment_profile_update")]
    async fn appointment_profile_update(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        body: Body<UpdateProfile>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::AppointmentProfileWrite)?;
        Ok(self.profiles.update(&caller, caller.organization()?, appointment_id.0, &body).await?.map(Json))
    }

    /// Get the profile of an organization
    ///
    /// Returns the values of the custom fields that the caller's role may see, with their definitions. Permitted to
    /// members of the organization.
    #[oai(path = "/organizations/:organization_id/profile", method = "get", operation_id = "organization_profile_get")]
    async fn organization_profile_get(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::OrganizationRead)?;
        Ok(self.profiles.get(&caller, caller.organization()?, organization_id.0).await?.map(Json))
    }

    /// Set values in the profile of an organization
    ///
    /// Permitted to administrators of the organization. Merges and answers like `patient_profile_update`.
    #[oai(
        path = "/organizations/:organization_id/profile",
        method = "put",
        operation_id = "organization_profile_update"
    )]
    async fn organization_profile_update(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        body: Body<UpdateProfile>,
    ) -> Result<Disclosed<Json<Profile>>, ApiError> {
        caller.may(Permission::OrganizationUpdate)?;
        Ok(self.profiles.update(&caller, caller.organization()?, organization_id.0, &body).await?.map(Json))
    }
}
