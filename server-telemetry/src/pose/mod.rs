//! Body landmarks recorded during an exercise.

mod api;
mod model;
mod service;

pub(crate) use api::PoseApi;
pub(crate) use service::PoseService;
