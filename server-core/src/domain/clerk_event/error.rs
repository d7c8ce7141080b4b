use std::borrow::Cow;

use server_shared::{
    crypto::WebhookError,
    error::{Fault, FaultKind},
};

use crate::{
    database::DatabaseError,
    domain::{member::MemberError, user::UserError},
};

/// Errors of Clerk's messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClerkError {
    #[error("The message is not signed as Clerk signs: {0}.")]
    NotSigned(#[from] WebhookError),
    #[error("The message is not one that Clerk is known to send.")]
    Malformed,
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for ClerkError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotSigned(_) => FaultKind::Unauthenticated,
            Self::Malformed => FaultKind::Invalid,
            Self::User(error) => error.kind(),
            Self::Member(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotSigned(_) => "invalid_signature".into(),
            Self::Malformed => "validation_failed".into(),
            Self::User(error) => error.code(),
            Self::Member(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }
}
