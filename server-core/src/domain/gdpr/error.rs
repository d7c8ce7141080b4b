use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

use crate::database::DatabaseError;

/// What can go wrong with the rights of a person to its data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GdprError {
    #[error("There is no such user in this organization.")]
    UserNotFound,
    #[error("There is no such patient.")]
    PatientNotFound,
    #[error("There is no such erasure.")]
    JobNotFound,
    #[error("This is the organization's last admin; make another one first.")]
    LastAdmin,
    #[error("Telemetry can't be reached, and holds a part of the data. Try again.")]
    Telemetry(#[source] restartix_sdk::Failure),
    #[error("The files of the person can't be listed. Try again.")]
    Storage(#[source] crate::integration::s3::StorageError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for GdprError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::UserNotFound | Self::PatientNotFound | Self::JobNotFound => FaultKind::NotFound,
            Self::LastAdmin => FaultKind::Conflict,
            Self::Telemetry(_) | Self::Storage(_) => FaultKind::Unavailable,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::UserNotFound => "user_not_found".into(),
            Self::PatientNotFound => "patient_not_found".into(),
            Self::JobNotFound => "erasure_not_found".into(),
            Self::LastAdmin => "last_admin".into(),
            Self::Telemetry(_) => "telemetry_unavailable".into(),
            Self::Storage(_) => "storage_unavailable".into(),
            Self::Database(error) => error.code(),
        }
    }
}
