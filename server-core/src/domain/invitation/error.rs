use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{
    database::DatabaseError,
    domain::{member::MemberError, patient::PatientError, rules::InvalidValue, specialist::SpecialistError},
};

/// Errors of invitations.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvitationError {
    #[error("There is no such invitation, or it is no longer open.")]
    NotFound,
    #[error("No member of the organization, present or past, has this id; invite an e-mail address instead.")]
    UserNotFound,
    #[error("The person is a member in another role; change the role first, for a record belongs to its role.")]
    RoleConflict,
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Patient(#[from] PatientError),
    #[error(transparent)]
    Specialist(#[from] SpecialistError),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for InvitationError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound | Self::UserNotFound => FaultKind::NotFound,
            Self::RoleConflict => FaultKind::Conflict,
            Self::Member(error) => error.kind(),
            Self::Patient(error) => error.kind(),
            Self::Specialist(error) => error.kind(),
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "invitation_not_found".into(),
            Self::UserNotFound => "user_not_found".into(),
            Self::RoleConflict => "member_role_conflict".into(),
            Self::Member(error) => error.code(),
            Self::Patient(error) => error.code(),
            Self::Specialist(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Member(error) => error.details(),
            Self::Patient(error) => error.details(),
            Self::Specialist(error) => error.details(),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
