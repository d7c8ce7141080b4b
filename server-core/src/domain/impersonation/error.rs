use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

use crate::database::DatabaseError;

/// What can go wrong with impersonations.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImpersonationError {
    #[error("There is no such impersonation.")]
    NotFound,
    #[error("There is no such patient.")]
    PatientNotFound,
    #[error("The patient has no user, so there is nobody to act as.")]
    PatientHasNoUser,
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for ImpersonationError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound | Self::PatientNotFound => FaultKind::NotFound,
            Self::PatientHasNoUser => FaultKind::Conflict,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "impersonation_not_found".into(),
            Self::PatientNotFound => "patient_not_found".into(),
            Self::PatientHasNoUser => "patient_has_no_user".into(),
            Self::Database(error) => error.code(),
        }
    }
}
