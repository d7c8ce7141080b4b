//! Transitions of an appointment from one status to the next.

mod api;
mod model;
mod repository;
mod service;

pub(super) use api::TransitionApi;
pub(super) use model::AppointmentState;
pub(super) use repository::appointments_cancel;
