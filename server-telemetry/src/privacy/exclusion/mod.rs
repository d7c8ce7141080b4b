//! Exclusions from tracking, which override consent.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::ExclusionApi;
pub(crate) use repository::ExclusionRepository;
pub(crate) use service::ExclusionService;
