use chrono::{DateTime, Utc};
use poem_openapi::types::ToJSON;
use serde::{Deserialize, Serialize};
use serde_json::json;
use server_shared::errors;

use super::{series::SeriesConflict, status::AppointmentStatus};
use crate::{
    database::DatabaseError,
    domain::{
        availability::AvailabilityError,
        rules::{InvalidRange, InvalidValue, StaleVersion},
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
            "The status of the appointment does not allow this change; see details."
            with json!({ "from": from.to_json(), "to": to.to_json() }),
        CancellationTooLate => Conflict "cancellation_too_late" "It is too late to cancel the appointment; ask the clinic to do it.",
        RescheduleTooLate => Conflict "reschedule_too_late" "It is too late to move the appointment; ask the clinic to do it.",
        TooManyHolds { limit: HoldLimit } => Conflict "too_many_holds"
            "You have the maximum number of holds; book or release one first." with json!(limit),
        TooManyHoldsADay { limit: HoldLimit } => Conflict "too_many_holds_a_day"
            "You have made the maximum number of holds in 24 hours; book without a hold, or try again later."
            with json!(limit),
        HoldExpired => Conflict "hold_expired" "The hold has lapsed; hold or book the slot again.",
        HoldNotOwn => Forbidden "hold_not_own" "Only the caller who made a hold can book or release it.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Slot(AvailabilityError),
        Range(#[from] InvalidRange),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}

/// Limit of holds that was reached, as the database states it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HoldLimit {
    /// Number of holds that are allowed.
    limit: i32,
    /// Time at which the next one is allowed, unless one is booked or released before.
    available_at: DateTime<Utc>,
}

/// Reports a missing specialist or template as a fault of the body, which names them.
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

/// Returns the fault of a booking for a patient who does not exist, or whom the caller does not see.
pub(super) fn unknown_patient() -> InvalidValue {
    InvalidValue::new("/patient_id", "unknown_reference", "is no patient of this organization that you may see")
}
