use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{appointment::AppointmentError, rules::InvalidValue},
};

errors! {
    /// Errors of the waitlist.
    pub(crate) enum WaitlistError {
        NotFound => NotFound "waitlist_entry_not_found" "There is no such entry of the waitlist.",
        AlreadyWaiting => Conflict "already_waiting"
            "The patient already has an open entry for this specialist and template.",
        WaitlistFull => Conflict "waitlist_full"
            "The patient has the maximum number of open entries; delete one first.",
        NoOffer => Conflict "no_offer" "The entry has no offer.",
        OfferExpired => Conflict "offer_expired"
            "The offer can't be accepted any more; the entry waits for the next one.",
        AlreadyBooked => Conflict "already_booked" "The offer has already been accepted.",
    }
    and those of {
        Appointment(AppointmentError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}

impl From<AppointmentError> for WaitlistError {
    fn from(error: AppointmentError) -> Self {
        match error {
            // The offer lapsed after it was read.
            AppointmentError::HoldExpired => Self::OfferExpired,
            AppointmentError::Database(error) => Self::Database(error),
            other => Self::Appointment(other),
        }
    }
}
