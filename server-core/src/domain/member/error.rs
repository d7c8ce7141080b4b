use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{
    database::DatabaseError,
    domain::{rules::InvalidValue, user::UserError},
};

/// What can go wrong with members.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error("This user is no member of the organization.")]
    NotFound,
    #[error("There is no such user; people have to sign up before they can be added.")]
    UserNotFound,
    #[error("The user already is a member; change its role instead.")]
    AlreadyMember,
    #[error("This is the last administrator; make somebody else one first.")]
    LastAdmin,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for MemberError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound | Self::UserNotFound => FaultKind::NotFound,
            Self::AlreadyMember | Self::LastAdmin => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "member_not_found".into(),
            Self::UserNotFound => "user_not_found".into(),
            Self::AlreadyMember => "already_member".into(),
            Self::LastAdmin => "last_admin".into(),
            Self::Invalid(error) => error.code(),
            Self::User(error) => error.code(),
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
