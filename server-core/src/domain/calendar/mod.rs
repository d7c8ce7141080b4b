mod api;
mod error;
mod event;
mod feed_event;
mod holdings;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use feed_event::CalendarFeedEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::departures_expire;
pub(crate) use service::Service;
