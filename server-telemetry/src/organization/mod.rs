//! Settings of organizations that this service needs, as Core sends them.

mod api;
mod model;
mod repository;
mod service;

pub(crate) use api::OrganizationApi;
pub(crate) use service::OrganizationService;
