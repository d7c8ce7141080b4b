mod api;
mod error;
mod event;
mod holdings;
mod link;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::PatientError;
pub(crate) use event::PatientEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
