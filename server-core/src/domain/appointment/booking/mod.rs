//! Holding and booking of open slots.

mod api;
mod job;
mod model;
mod repository;
mod service;

pub(super) use api::BookingApi;
pub(crate) use job::holds_expire;
pub(crate) use model::{TemplateBooking, Wanted, patient_of};
pub(super) use service::expire;
pub(crate) use service::{offer_make, offer_release, offer_withdraw};
