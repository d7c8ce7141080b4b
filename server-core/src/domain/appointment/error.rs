use std::borrow::Cow;

use poem_openapi::types::ToJSON;
use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use super::model::AppointmentStatus;
use crate::{database::DatabaseError, domain::rules::InvalidValue};

/// What can go wrong with appointments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppointmentError {
    #[error("There is no such appointment.")]
    NotFound,
    #[error("The specialist or the patient already has an appointment at this time.")]
    SlotTaken,
    #[error("Somebody else changed the appointment meanwhile; get it again and repeat the change.")]
    StaleVersion { current: i64 },
    #[error("The appointment is already cancelled.")]
    AlreadyCancelled,
    #[error("An appointment in this state does not allow this.")]
    InvalidTransition { from: AppointmentStatus, to: &'static str },
    #[error("An appointment that has begun can only be cancelled by the clinic.")]
    TooLate,
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for AppointmentError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::SlotTaken
            | Self::StaleVersion { .. }
            | Self::AlreadyCancelled
            | Self::InvalidTransition { .. }
            | Self::TooLate => FaultKind::Conflict,
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "appointment_not_found".into(),
            Self::SlotTaken => "slot_taken".into(),
            Self::StaleVersion { .. } => "stale_version".into(),
            Self::AlreadyCancelled => "already_cancelled".into(),
            Self::InvalidTransition { .. } => "invalid_transition".into(),
            Self::TooLate => "cancellation_too_late".into(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::StaleVersion { current } => Some(json!({ "version": current })),
            Self::InvalidTransition { from, to } => Some(json!({ "from": from.to_json(), "to": to })),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
    }
}
