use poem_openapi::types::ToJSON;
use serde_json::json;
use server_shared::errors;

use super::{series::SeriesConflict, status::AppointmentStatus};
use crate::{
    database::DatabaseError,
    domain::{
        availability::AvailabilityError,
        rules::{InvalidValue, StaleVersion},
    },
};

errors! {
    /// Errors of appointments.
    pub(crate) enum AppointmentError {
        NotFound => NotFound "appointment_not_found" "There is no such appointment.",
        SeriesNotFound => NotFound "appointment_series_not_found" "There is no such series of appointments.",
        SlotTaken => Conflict "slot_taken" "The specialist or the patient already has an appointment at this time.",
        SeriesConflict { conflicts: Vec<SeriesConflict> } => Conflict "series_conflict"
            "Some times of the series are not free; see details.conflicts, or skip them with on_conflict=skip."
            with json!({ "conflicts": conflicts.to_json() }),
        AlreadyCancelled => Conflict "already_cancelled" "The appointment is already cancelled.",
        InvalidTransition { from: AppointmentStatus, to: AppointmentStatus } => Conflict "invalid_transition"
            "An appointment in this state does not allow this."
            with json!({ "from": from.to_json(), "to": to.to_json() }),
        CancellationTooLate => Conflict "cancellation_too_late" "It is too late to cancel this; the clinic still can.",
        RescheduleTooLate => Conflict "reschedule_too_late" "It is too late to move this; the clinic still can.",
        HoldExpired => Conflict "hold_expired" "The hold has run out; hold or book the slot anew.",
        HoldNotOwn => Forbidden "hold_not_own" "Only who made a hold can book or release it.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Slot(AvailabilityError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
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
