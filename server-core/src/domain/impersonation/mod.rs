mod api;
mod error;
mod event;
mod holdings;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use event::ImpersonationEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
