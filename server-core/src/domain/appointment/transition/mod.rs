//! From one state to the next.

mod api;
mod model;
mod repository;
mod service;

pub(super) use api::TransitionApi;
pub(super) use model::Standing;
pub(super) use repository::appointments_cancel;
