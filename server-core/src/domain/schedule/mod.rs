mod api;
mod error;
mod model;
mod repository;
mod rules;
mod service;

pub(crate) use api::Api;
pub(crate) use service::Service;
