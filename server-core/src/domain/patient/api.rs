use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{CreatePatient, Patient, PatientFilter, PatientSort, UpdatePatient},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
    ids::PatientId,
};

/// `/v1/patients`
pub(crate) struct Api {
    pub(crate) patients: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Patients")]
impl Api {
    /// List and search patients
    ///
    /// Specialists see those they treat. Every record that comes out is audited.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/patients", method = "get", operation_id = "patient_list")]
    async fn patient_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1.
        page: Query<Option<PageNumber>>,
        /// Entries a page, at most 100.
        page_size: Query<Option<PageSize>>,
        /// Only those whose name holds this text; upper and lower case don't matter.
        #[oai(validator(max_length = 100))]
        search: Query<Option<String>>,
        /// Only the one with exactly this e-mail address.
        #[oai(validator(max_length = 254))]
        email: Query<Option<String>>,
        /// Only those with exactly this telephone number, however it is spaced.
        #[oai(validator(max_length = 32))]
        phone: Query<Option<String>>,
        /// Only the one with exactly this number of a document.
        #[oai(validator(max_length = 64))]
        national_id: Query<Option<String>>,
        /// Order of the list.
        sort: Query<Option<PatientSort>>,
    ) -> Result<Disclosed<Json<Page<Patient>>>, ApiError> {
        caller.may(Permission::PatientList)?;
        let filter = PatientFilter { search: search.0, email: email.0, phone: phone.0, national_id: national_id.0 };
        let paging = Paging::new(page.0, page_size.0);
        let organization = caller.organization()?;
        let patients = self.patients.list(&caller, organization, &filter, sort.0.unwrap_or_default(), paging).await?;
        Ok(patients.map(Json))
    }

    /// Create a patient
    ///
    /// 409 `patient_email_taken`, with the other's id for who may see it, when the clinic has a patient with the
    /// e-mail address. Without a login; see `patient_link`.
    #[oai(path = "/patients", method = "post", operation_id = "patient_create")]
    async fn patient_create(
        &self,
        caller: Caller,
        body: Body<CreatePatient>,
    ) -> Result<Disclosed<Created<Patient>>, ApiError> {
        caller.may(Permission::PatientWrite)?;
        Ok(self.patients.create(&caller, caller.organization()?, body.0).await?.map(Created))
    }

    /// Get a patient
    ///
    /// The read is audited. Clinical notes are shown to those who treat and to admins.
    #[oai(path = "/patients/:patient_id", method = "get", operation_id = "patient_get")]
    async fn patient_get(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
    ) -> Result<Disclosed<Json<Patient>>, ApiError> {
        caller.may(Permission::PatientRead)?;
        Ok(self.patients.get(&caller, patient_id.0).await?.map(Json))
    }

    /// Replace a patient
    ///
    /// 409 `stale_version` when somebody else changed it meanwhile. E-mail address and national id are the front
    /// desk's and administrators' to change: 403 `patient_identifier_forbidden` for a specialist, who can't see
    /// every patient that may have the same. Whose login it is stays; see `patient_link`.
    #[oai(path = "/patients/:patient_id", method = "put", operation_id = "patient_update")]
    async fn patient_update(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        body: Body<UpdatePatient>,
    ) -> Result<Disclosed<Json<Patient>>, ApiError> {
        caller.may(Permission::PatientUpdate)?;
        Ok(self.patients.update(&caller, patient_id.0, body.0).await?.map(Json))
    }

    /// Delete a patient
    ///
    /// It is gone from every list; appointments keep naming it. Erasing a person is another thing.
    #[oai(path = "/patients/:patient_id", method = "delete", operation_id = "patient_delete")]
    async fn patient_delete(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::PatientWrite)?;
        self.patients.delete(&caller, patient_id.0).await?;
        Ok(NoContent)
    }
}
