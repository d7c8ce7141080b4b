use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::user::UserError};

/// What can go wrong with members.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error("This user is no member of the organization.")]
    NotFound,
    #[error("The user already is a member; change its role instead.")]
    AlreadyMember,
    #[error("This is the last administrator; make somebody else one first.")]
    LastAdmin,
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for MemberError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::AlreadyMember | Self::LastAdmin => FaultKind::Conflict,
            Self::User(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "member_not_found".into(),
            Self::AlreadyMember => "already_member".into(),
            Self::LastAdmin => "last_admin".into(),
            Self::User(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }
}
