//! What Core tells of organizations, as far as this service works by it.

mod api;
mod model;
mod repository;
mod service;

pub(crate) use api::OrganizationApi;
pub(crate) use service::OrganizationService;
