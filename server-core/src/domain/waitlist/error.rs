use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{appointment::AppointmentError, rules::InvalidValue},
};

errors! {
    /// Errors of the waitlist.
    pub(crate) enum WaitlistError {
        NotFound => NotFound "waitlist_entry_not_found" "There is no such entry of the waitlist.",
        AlreadyWaiting => Conflict "already_waiting" "The patient already waits for this.",
        WaitlistFull => Conflict "waitlist_full"
            "The patient waits for as much as it may at a time; take it off the waitlist elsewhere first.",
        NoOffer => Conflict "no_offer" "Nothing has been offered yet.",
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
            // It ran out between two looks at it.
            AppointmentError::HoldExpired => Self::OfferExpired,
            AppointmentError::Database(error) => Self::Database(error),
            other => Self::Appointment(other),
        }
    }
}
