mod api;
mod error;
mod event;
mod holdings;
mod indexes;
mod link;
mod locale;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::PatientError;
pub(crate) use event::PatientEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use indexes::{indexes_left, indexes_refresh};
pub(crate) use service::Service;
