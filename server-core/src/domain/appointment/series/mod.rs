//! Series of appointments that repeat: booked together, moved and cancelled together or one by one.

mod api;
mod change;
mod clock;
mod fit;
mod model;
mod plan;
mod recurrence;
mod repository;
mod service;
mod shift;

pub(super) use api::SeriesApi;
pub(super) use model::SeriesConflict;
