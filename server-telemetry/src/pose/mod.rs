//! Body landmarks while an exercise runs.

mod api;
mod model;
mod service;

pub(crate) use api::PoseApi;
pub(crate) use service::PoseService;
