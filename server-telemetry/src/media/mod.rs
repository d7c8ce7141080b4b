//! Video calls and guided exercises: takes events and stores one row for each session.

mod api;
mod fold;
mod model;
mod service;

pub(crate) use api::MediaApi;
pub(crate) use service::MediaService;
