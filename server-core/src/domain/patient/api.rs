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
    value::{EmailAddress, Line, PhoneNumber},
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

/// Operations below `/v1/patients`.
pub(crate) struct Api {
    pub(crate) patients: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Patients")]
impl Api {
    /// List and search patients
    ///
    /// Returns all patients; to specialists, those whom they treat. Writes an audit entry for each record that is
    /// returned.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/patients", method = "get", operation_id = "patient_list")]
    async fn patient_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Words that the name must contain, in any order. Letter case, accents and
        /// the shapes of quotes and hyphens make no difference.
        search: Query<Option<Line<0, 100>>>,
        /// Complete e-mail address; letter case makes no difference.
        email: Query<Option<EmailAddress>>,
        /// Complete telephone number, with any spaces and punctuation. A number without a country prefix is read as a
        /// number of the organization's country.
        phone: Query<Option<PhoneNumber>>,
        /// Complete number of an identity document or health insurance; only its letters and digits are compared.
        national_id: Query<Option<Line<0, 64>>>,
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
    /// Creates a record without a linked user; see `patient_link`. Answers 409 `patient_email_taken` if another patient
    /// of the organization has the e-mail address; `details` names that patient's id to callers who may read the
    /// record.
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
    /// Returns a patient and writes an audit entry. Includes clinical notes for specialists who treat the patient and
    /// for administrators. Answers 404 `patient_merged` for a record that was merged into a patient whom the caller may
    /// read, with that patient's id in `details.merged_into`.
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
    /// Replaces every value except the link to a user; see `patient_link`. Answers 409 `stale_version` if somebody else
    /// changed the record in the meantime. Answers 403 `patient_identifier_forbidden` to specialists who change the
    /// e-mail address or the national id: both must be compared with patients whom a specialist may not see.
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
    /// Removes the patient from every list; appointments keep referring to it. To erase the personal data, use
    /// `gdpr_patient_erase`.
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
