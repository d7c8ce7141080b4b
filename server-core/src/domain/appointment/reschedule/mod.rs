//! Appointments that move to another time, and where they were before.

mod api;
mod model;
mod repository;
mod service;

pub(super) use api::RescheduleApi;
pub(super) use repository::record;
