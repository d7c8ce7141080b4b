use server_shared::errors;

use crate::{database::DatabaseError, integration::s3::StorageError};

errors! {
    /// Errors of the rights of a person to its data.
    pub(crate) enum GdprError {
        UserNotFound => NotFound "user_not_found" "There is no such user in this organization.",
        PatientNotFound => NotFound "patient_not_found" "There is no such patient.",
        JobNotFound => NotFound "erasure_not_found" "There is no such erasure.",
        LastAdmin => Conflict "last_admin" "This is the organization's last admin; make another one first.",
        Telemetry(#[source] restartix_sdk::Failure) => Unavailable "telemetry_unavailable"
            "Telemetry can't be reached, and holds a part of the data. Try again.",
        Storage(#[source] StorageError) => Unavailable "storage_unavailable"
            "The files of the person can't be listed. Try again.",
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
