//! Moves of appointments to another time or specialist, and their history.

mod api;
mod model;
mod repository;
mod service;

pub(super) use api::RescheduleApi;
pub(super) use repository::record;
