mod api;
mod error;
mod holdings;
mod model;
mod repository;
mod rules;
mod service;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
