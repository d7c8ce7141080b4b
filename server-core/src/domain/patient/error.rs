use std::borrow::Cow;

use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::InvalidValue, ids::PatientId};

/// What can go wrong with patients.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatientError {
    #[error("There is no such patient.")]
    NotFound,
    #[error("Another patient of the organization has this e-mail address.")]
    EmailTaken { patient_id: Option<PatientId> },
    #[error("This user already is another patient of the organization.")]
    UserTaken,
    #[error("Somebody else changed the patient meanwhile; get it again and repeat the change.")]
    StaleVersion { current: i64 },
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for PatientError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::EmailTaken { .. } | Self::UserTaken | Self::StaleVersion { .. } => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "patient_not_found".into(),
            Self::EmailTaken { .. } => "patient_email_taken".into(),
            Self::UserTaken => "patient_user_taken".into(),
            Self::StaleVersion { .. } => "stale_version".into(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::EmailTaken { patient_id: Some(id) } => Some(json!({ "patient_id": id })),
            Self::StaleVersion { current } => Some(json!({ "version": current })),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
