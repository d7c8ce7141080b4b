//! Video calls and guided exercises: events in, one row a session out.

mod api;
mod fold;
mod model;
mod service;

pub(crate) use api::MediaApi;
pub(crate) use service::MediaService;
