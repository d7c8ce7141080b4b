use std::borrow::Cow;

use server_shared::{
    error::{Fault, FaultKind},
    token::SignError,
};

use crate::database::DatabaseError;

/// What can go wrong with a user's account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("You are no member of this organization.")]
    NotAMember,
    #[error("There is no such organization.")]
    OrganizationNotFound,
    #[error("The session has ended; sign in again.")]
    SessionEnded,
    #[error("The token is valid, but its user is not known here.")]
    Unknown,
    #[error("a token could not be signed")]
    Sign(#[from] SignError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for UserError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotAMember => FaultKind::Forbidden,
            Self::OrganizationNotFound => FaultKind::NotFound,
            Self::SessionEnded | Self::Unknown => FaultKind::Unauthenticated,
            Self::Sign(_) => FaultKind::Internal,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotAMember => "not_a_member".into(),
            Self::OrganizationNotFound => "organization_not_found".into(),
            Self::SessionEnded => "session_ended".into(),
            Self::Unknown => "user_unknown".into(),
            Self::Sign(_) => "internal_error".into(),
            Self::Database(error) => error.code(),
        }
    }
}
