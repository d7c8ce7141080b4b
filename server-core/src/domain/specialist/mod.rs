mod api;
mod error;
mod event;
mod holdings;
mod link;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::SpecialistError;
pub(crate) use event::SpecialistEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
