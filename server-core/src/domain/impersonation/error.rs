use server_shared::errors;

use crate::database::DatabaseError;

errors! {
    /// Errors of impersonations.
    pub(crate) enum ImpersonationError {
        NotFound => NotFound "impersonation_not_found" "There is no such impersonation.",
        PatientNotFound => NotFound "patient_not_found" "There is no such patient.",
        PatientHasNoUser => Conflict "patient_has_no_user" "The patient has no login to act as.",
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
