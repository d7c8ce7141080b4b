use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    super::service::Service,
    model::{MergePatient, PatientMerge},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::PatientId,
};

/// `/v1/patients/{patient_id}/merge`
pub(crate) struct MergeApi {
    pub(crate) patients: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Patients")]
impl MergeApi {
    /// Merge another record of the patient
    ///
    /// Moves everything of the record `merged_patient_id` to this patient: appointments, series, entries of the
    /// waitlist, the linked user, and the values of its profile for which this patient's profile has none. Decisions on
    /// consent that were recorded for it count for the patient's user. No value of this record itself changes, so copy
    /// what it lacks beforehand. A merge can't be undone. From then on, operations on the merged record answer 404
    /// `patient_merged`, with this patient's id in `details.merged_into`; its values can only be exported, and are
    /// erased together with this patient. Invitations to the merged record are revoked, and impersonations of it end.
    /// Of open entries of the waitlist for the same specialist and template, only one stays: one with an offer, else
    /// the one that has waited longest. Answers 409 `appointments_overlap` if appointments of the two overlap
    /// (`details.overlaps` lists up to 100 pairs), `both_have_users` if a user is linked to each, `erasure_in_progress`
    /// if one of the two is being erased, `patient_already_merged` if the record was merged into another patient,
    /// `stale_version` if somebody else changed one of the two in the meantime. A repeated request has no further
    /// effect and gets the same answer.
    #[oai(path = "/patients/:patient_id/merge", method = "post", operation_id = "patient_merge")]
    async fn patient_merge(
        &self,
        caller: Caller,
        /// Id of the patient whose record stays.
        patient_id: Path<PatientId>,
        body: Body<MergePatient>,
    ) -> Result<Json<PatientMerge>, ApiError> {
        caller.may(Permission::PatientMerge)?;
        caller.organization()?;
        Ok(Json(self.patients.merge(&caller, patient_id.0, &body).await?))
    }
}
