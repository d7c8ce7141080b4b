use serde_json::json;
use server_shared::errors;

use super::merge::Overlap;
use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
    ids::PatientId,
};

errors! {
    /// Errors of patients.
    pub(crate) enum PatientError {
        NotFound => NotFound "patient_not_found" "There is no such patient.",
        Merged { merged_into: PatientId } => NotFound "patient_merged"
            "This patient was merged into another one; see details.merged_into."
            with json!({ "merged_into": merged_into }),
        EmailTaken { patient_id: Option<PatientId> } => Conflict "patient_email_taken"
            "Another patient of the organization has this e-mail address."
            with patient_id.map(|id| json!({ "patient_id": id })),
        IdentifierForbidden => Forbidden "patient_identifier_forbidden"
            "Your role can't change a patient's e-mail address or national id; ask the front desk.",
        UserTaken => Conflict "patient_user_taken"
            "This user is already linked to another patient of the organization.",
        AlreadyLinked => Conflict "record_already_linked" "A user is already linked to this patient; unlink it first.",
        HasNoUser => Conflict "patient_has_no_user" "No user is linked to this patient.",
        AlreadyMerged { merged_into: PatientId } => Conflict "patient_already_merged"
            "The record was merged into another patient before; see details.merged_into."
            with json!({ "merged_into": merged_into }),
        AppointmentsOverlap { overlaps: Vec<Overlap> } => Conflict "appointments_overlap"
            "Appointments of the two records overlap; cancel or move one of each pair in details.overlaps first."
            with json!({ "overlaps": overlaps }),
        BothHaveUsers => Conflict "both_have_users" "A user is linked to each of the two records; unlink one first.",
        ErasureInProgress => Conflict "erasure_in_progress"
            "The data of one of the two records is being erased; a record can be merged only before or after that.",
        MergedStale { merged_version: i64 } => Conflict "stale_version"
            "The record to be merged was changed in the meantime; read it again and repeat the merge."
            with json!({ "merged_version": merged_version }),
    }
    and those of {
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
