mod error;
mod service;

pub(crate) use error::AvailabilityError;
pub(crate) use service::{OpenSlot, open_slot};
