use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::InvalidValue};

/// What can go wrong with organizations.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrganizationError {
    #[error("There is no such organization among yours.")]
    NotFound,
    #[error("Another organization has this slug; choose another.")]
    SlugTaken,
    #[error("Another organization is this one of the identity provider's.")]
    ClerkOrganizationTaken,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for OrganizationError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::SlugTaken | Self::ClerkOrganizationTaken => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "organization_not_found".into(),
            Self::SlugTaken => "slug_taken".into(),
            Self::ClerkOrganizationTaken => "clerk_organization_taken".into(),
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
