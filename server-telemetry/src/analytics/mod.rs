//! Analytics: stores the events that people cause in the pages of a clinic, and summarizes them.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::AnalyticsApi;
pub(crate) use repository::AnalyticsRepository;
pub(crate) use service::AnalyticsService;
