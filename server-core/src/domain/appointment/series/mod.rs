//! Appointments that repeat: booked together, moved and called off together or one by one.

mod api;
mod change;
mod clock;
mod model;
mod plan;
mod recurrence;
mod repository;
mod service;

pub(super) use api::SeriesApi;
pub(super) use model::SeriesConflict;
