use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind, FieldFault};

use crate::database::DatabaseError;

/// What can go wrong with open slots.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AvailabilityError {
    #[error("There is no such specialist.")]
    SpecialistNotFound,
    #[error("There is no such appointment template.")]
    TemplateNotFound,
    #[error("The specialist offers no slot that begins then; see its availability.")]
    NotOffered,
    #[error("The slot is taken; see the specialist's availability for others.")]
    Taken,
    #[error("`from` must be before `to`, by at most 92 days.")]
    InvalidRange,
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for AvailabilityError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::SpecialistNotFound | Self::TemplateNotFound => FaultKind::NotFound,
            Self::NotOffered | Self::Taken => FaultKind::Conflict,
            Self::InvalidRange => FaultKind::Malformed,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::SpecialistNotFound => "specialist_not_found".into(),
            Self::TemplateNotFound => "appointment_template_not_found".into(),
            Self::NotOffered => "slot_not_offered".into(),
            Self::Taken => "slot_taken".into(),
            Self::InvalidRange => "invalid_range".into(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::InvalidRange => Some(
                serde_json::json!({ "fields": [FieldFault::new("from", "range", "must be before `to`, by at most 92 days")] }),
            ),
            _ => None,
        }
    }
}
