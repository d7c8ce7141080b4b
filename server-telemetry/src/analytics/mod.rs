//! What people do in the pages of a clinic: events in, summaries out.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::AnalyticsApi;
pub(crate) use repository::AnalyticsRepository;
pub(crate) use service::AnalyticsService;
