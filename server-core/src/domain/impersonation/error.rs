use server_shared::errors;

use crate::{database::DatabaseError, domain::patient::PatientError};

errors! {
    /// Errors of impersonations.
    pub(crate) enum ImpersonationError {
        NotFound => NotFound "impersonation_not_found" "There is no such impersonation.",
        PatientHasNoUser => Conflict "patient_has_no_user"
            "No user is linked to this patient, so you can't act as the patient.",
    }
    and those of {
        Patient(#[from] PatientError),
        Database(#[from] DatabaseError),
    }
}
