use std::borrow::Cow;

use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use crate::database::DatabaseError;

/// Errors of an organization's settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrganizationSettingsError {
    #[error("There is no such organization among yours.")]
    NotFound,
    #[error("Somebody else has changed the settings meanwhile; read them again and decide anew.")]
    StaleVersion { current: i64 },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for OrganizationSettingsError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::StaleVersion { .. } => FaultKind::Conflict,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "organization_not_found".into(),
            Self::StaleVersion { .. } => "stale_version".into(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::StaleVersion { current } => Some(json!({ "version": current })),
            _ => None,
        }
    }
}
