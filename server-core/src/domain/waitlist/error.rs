use std::borrow::Cow;

use serde_json::Value;
use server_shared::error::{Fault, FaultKind};

use crate::{
    database::DatabaseError,
    domain::{appointment::AppointmentError, rules::InvalidValue},
};

/// What can go wrong with the waitlist.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaitlistError {
    #[error("There is no such entry of the waitlist.")]
    NotFound,
    #[error("The patient already waits for this.")]
    AlreadyWaiting,
    #[error("The patient waits for as much as it may at a time; take it off the waitlist elsewhere first.")]
    WaitlistFull,
    #[error("Nothing has been offered yet.")]
    NoOffer,
    #[error("The offer can't be accepted any more; the entry waits for the next one.")]
    OfferExpired,
    #[error("The offer has already been accepted.")]
    AlreadyBooked,
    #[error(transparent)]
    Appointment(AppointmentError),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for WaitlistError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::AlreadyWaiting | Self::WaitlistFull | Self::NoOffer | Self::OfferExpired | Self::AlreadyBooked => {
                FaultKind::Conflict
            }
            Self::Appointment(error) => error.kind(),
            Self::Invalid(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "waitlist_entry_not_found".into(),
            Self::AlreadyWaiting => "already_waiting".into(),
            Self::WaitlistFull => "waitlist_full".into(),
            Self::NoOffer => "no_offer".into(),
            Self::OfferExpired => "offer_expired".into(),
            Self::AlreadyBooked => "already_booked".into(),
            Self::Appointment(error) => error.code(),
            Self::Invalid(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Appointment(error) => error.details(),
            Self::Invalid(error) => error.details(),
            _ => None,
        }
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
