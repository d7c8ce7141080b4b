mod api;
mod engine;
mod error;
mod model;
mod repository;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use api::Api;
pub(crate) use error::AvailabilityError;
pub(crate) use model::{Offered, OpenSlot};
pub(crate) use service::{Openings, Service, offered, open_slot, openings};
