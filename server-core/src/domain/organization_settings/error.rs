use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::StaleVersion};

/// Errors of an organization's settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrganizationSettingsError {
    #[error("There is no such organization among yours.")]
    NotFound,
    #[error(transparent)]
    Stale(#[from] StaleVersion),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for OrganizationSettingsError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::Stale(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "organization_not_found".into(),
            Self::Stale(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Stale(error) => error.details(),
            _ => None,
        }
    }
}
