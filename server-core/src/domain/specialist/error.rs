use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::InvalidValue};

/// What can go wrong with specialists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecialistError {
    #[error("There is no such specialist.")]
    NotFound,
    #[error("This user already is another specialist of the organization.")]
    UserTaken,
    #[error("The specialist has a login already; end that link first.")]
    AlreadyLinked,
    #[error("The specialist has no login.")]
    HasNoUser,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for SpecialistError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::UserTaken | Self::AlreadyLinked | Self::HasNoUser => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "specialist_not_found".into(),
            Self::UserTaken => "specialist_user_taken".into(),
            Self::AlreadyLinked => "record_already_linked".into(),
            Self::HasNoUser => "specialist_has_no_user".into(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
