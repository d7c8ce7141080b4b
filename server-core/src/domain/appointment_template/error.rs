use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, domain::rules::InvalidValue};

/// What can go wrong with appointment templates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppointmentTemplateError {
    #[error("There is no such appointment template.")]
    NotFound,
    #[error("Another appointment template in use has this slug.")]
    SlugTaken,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for AppointmentTemplateError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::SlugTaken => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "appointment_template_not_found".into(),
            Self::SlugTaken => "slug_taken".into(),
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
