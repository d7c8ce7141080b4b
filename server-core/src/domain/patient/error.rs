use serde_json::json;
use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
    ids::PatientId,
};

errors! {
    /// Errors of patients.
    pub(crate) enum PatientError {
        NotFound => NotFound "patient_not_found" "There is no such patient.",
        EmailTaken { patient_id: Option<PatientId> } => Conflict "patient_email_taken"
            "Another patient of the organization has this e-mail address."
            with patient_id.map(|id| json!({ "patient_id": id })),
        IdentifierForbidden => Forbidden "patient_identifier_forbidden"
            "Your role can't change a patient's e-mail address or national id; ask the front desk.",
        UserTaken => Conflict "patient_user_taken"
            "This user is already linked to another patient of the organization.",
        AlreadyLinked => Conflict "record_already_linked" "A user is already linked to this patient; unlink it first.",
        HasNoUser => Conflict "patient_has_no_user" "No user is linked to this patient.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
