//! Settings of organizations that Core sends, as far as this service needs them.

mod api;
mod model;
mod repository;
mod service;

pub(crate) use api::OrganizationApi;
pub(crate) use service::OrganizationService;
