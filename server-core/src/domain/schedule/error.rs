use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
};

/// What can go wrong with schedules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("There is no such specialist.")]
    NotFound,
    #[error(transparent)]
    Stale(#[from] StaleVersion),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for ScheduleError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::Stale(error) => error.kind(),
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "specialist_not_found".into(),
            Self::Stale(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Stale(error) => error.details(),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
