use server_shared::errors;

use crate::{database::DatabaseError, domain::patient::PatientError, integration::s3::StorageError};

errors! {
    /// Errors of exports and erasures.
    pub(crate) enum GdprError {
        UserNotFound => NotFound "user_not_found" "This organization holds no data on such a user.",
        PatientNotFound => NotFound "patient_not_found" "There is no such patient.",
        JobNotFound => NotFound "erasure_not_found" "There is no such erasure.",
        LastAdmin => Conflict "last_admin" "This is the last administrator of an organization; appoint another one first.",
        Telemetry(#[source] restartix_sdk::Failure) => Unavailable "telemetry_unavailable"
            "Telemetry, which holds a part of the data, can't be reached. Try again.",
        Storage(#[source] StorageError) => Unavailable "storage_unavailable"
            "The files of the person can't be listed. Try again.",
    }
    and those of {
        Patient(#[from] PatientError),
        Database(#[from] DatabaseError),
    }
}
