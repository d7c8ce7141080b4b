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
    #[error("Only an admin can link a specialist to a user.")]
    LinkForbidden,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for SpecialistError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::UserTaken => FaultKind::Conflict,
            Self::LinkForbidden => FaultKind::Forbidden,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "specialist_not_found".into(),
            Self::UserTaken => "specialist_user_taken".into(),
            Self::LinkForbidden => "specialist_link_forbidden".into(),
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
