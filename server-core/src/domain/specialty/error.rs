use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

use crate::database::DatabaseError;

/// What can go wrong with specialties.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecialtyError {
    #[error("There is no such specialty.")]
    NotFound,
    #[error("Another specialty in use has this name.")]
    NameTaken,
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for SpecialtyError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::NameTaken => FaultKind::Conflict,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "specialty_not_found".into(),
            Self::NameTaken => "specialty_name_taken".into(),
            Self::Database(error) => error.code(),
        }
    }
}
