use std::borrow::Cow;

use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
    ids::PatientId,
};

/// What can go wrong with patients.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatientError {
    #[error("There is no such patient.")]
    NotFound,
    #[error("Another patient of the organization has this e-mail address.")]
    EmailTaken { patient_id: Option<PatientId> },
    #[error("Your role can't change a patient's e-mail address or national id; ask the front desk.")]
    IdentifierForbidden,
    #[error("This user already is another patient of the organization.")]
    UserTaken,
    #[error("The patient has a login already; end that link first.")]
    AlreadyLinked,
    #[error("The patient has no login.")]
    HasNoUser,
    #[error(transparent)]
    Stale(#[from] StaleVersion),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for PatientError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::IdentifierForbidden => FaultKind::Forbidden,
            Self::EmailTaken { .. } | Self::UserTaken | Self::AlreadyLinked | Self::HasNoUser => FaultKind::Conflict,
            Self::Stale(error) => error.kind(),
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "patient_not_found".into(),
            Self::EmailTaken { .. } => "patient_email_taken".into(),
            Self::IdentifierForbidden => "patient_identifier_forbidden".into(),
            Self::UserTaken => "patient_user_taken".into(),
            Self::AlreadyLinked => "record_already_linked".into(),
            Self::HasNoUser => "patient_has_no_user".into(),
            Self::Stale(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::EmailTaken { patient_id: Some(id) } => Some(json!({ "patient_id": id })),
            Self::Stale(error) => error.details(),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
