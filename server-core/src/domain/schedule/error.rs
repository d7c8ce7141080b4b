use std::borrow::Cow;

use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::InvalidValue};

/// What can go wrong with schedules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("There is no such specialist.")]
    NotFound,
    #[error("Somebody else changed the schedule meanwhile; get it again and repeat the change.")]
    StaleVersion { current: i64 },
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for ScheduleError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::StaleVersion { .. } => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "specialist_not_found".into(),
            Self::StaleVersion { .. } => "stale_version".into(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::StaleVersion { current } => Some(json!({ "version": current })),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
