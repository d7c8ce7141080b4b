mod api;
mod error;
mod event;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use event::OrganizationEvent;
pub(crate) use service::Service;
