mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::SpecialistError;
pub(crate) use service::Service;
