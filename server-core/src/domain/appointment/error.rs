use std::borrow::Cow;

use poem_openapi::types::ToJSON;
use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use super::{series::SeriesConflict, status::AppointmentStatus};
use crate::{
    database::DatabaseError,
    domain::{
        availability::AvailabilityError,
        rules::{InvalidValue, StaleVersion},
    },
};

/// What can go wrong with appointments.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppointmentError {
    #[error("There is no such appointment.")]
    NotFound,
    #[error("There is no such series of appointments.")]
    SeriesNotFound,
    #[error("The specialist or the patient already has an appointment at this time.")]
    SlotTaken,
    #[error("Some times of the series are not free; see details.conflicts, or skip them with on_conflict=skip.")]
    SeriesConflict(Vec<SeriesConflict>),
    #[error(transparent)]
    Stale(#[from] StaleVersion),
    #[error("The appointment is already cancelled.")]
    AlreadyCancelled,
    #[error("An appointment in this state does not allow this.")]
    InvalidTransition { from: AppointmentStatus, to: AppointmentStatus },
    #[error("It is too late to cancel this; the clinic still can.")]
    CancellationTooLate,
    #[error("It is too late to move this; the clinic still can.")]
    RescheduleTooLate,
    #[error("The hold has run out; hold or book the slot anew.")]
    HoldExpired,
    #[error("Only who made a hold can book or release it.")]
    HoldNotOwn,
    #[error(transparent)]
    Slot(AvailabilityError),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for AppointmentError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound | Self::SeriesNotFound => FaultKind::NotFound,
            Self::SlotTaken
            | Self::SeriesConflict(_)
            | Self::AlreadyCancelled
            | Self::InvalidTransition { .. }
            | Self::CancellationTooLate
            | Self::RescheduleTooLate
            | Self::HoldExpired => FaultKind::Conflict,
            Self::HoldNotOwn => FaultKind::Forbidden,
            Self::Stale(error) => error.kind(),
            Self::Slot(error) => error.kind(),
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "appointment_not_found".into(),
            Self::SeriesNotFound => "appointment_series_not_found".into(),
            Self::SlotTaken => "slot_taken".into(),
            Self::SeriesConflict(_) => "series_conflict".into(),
            Self::Stale(error) => error.code(),
            Self::AlreadyCancelled => "already_cancelled".into(),
            Self::InvalidTransition { .. } => "invalid_transition".into(),
            Self::CancellationTooLate => "cancellation_too_late".into(),
            Self::RescheduleTooLate => "reschedule_too_late".into(),
            Self::HoldExpired => "hold_expired".into(),
            Self::HoldNotOwn => "hold_not_own".into(),
            Self::Slot(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::SeriesConflict(conflicts) => Some(json!({ "conflicts": conflicts.to_json() })),
            Self::Stale(error) => error.details(),
            Self::InvalidTransition { from, to } => Some(json!({ "from": from.to_json(), "to": to.to_json() })),
            Self::Invalid(error) => error.details(),
            Self::Slot(error) => error.details(),
            _ => None,
        }
    }
}

/// A body names specialist and template, so that they are not there is a fault of the body.
impl From<AvailabilityError> for AppointmentError {
    fn from(error: AvailabilityError) -> Self {
        let unknown = |pointer, message| InvalidValue::new(pointer, "unknown_reference", message).into();
        match error {
            AvailabilityError::SpecialistNotFound => unknown("/specialist_id", "is no specialist of this organization"),
            AvailabilityError::TemplateNotFound => {
                unknown("/template_id", "is no appointment template in use of this organization")
            }
            AvailabilityError::Taken => Self::SlotTaken,
            other => Self::Slot(other),
        }
    }
}
