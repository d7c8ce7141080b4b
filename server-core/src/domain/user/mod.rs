mod error;
mod event;
mod holdings;
mod job;
mod key_api;
mod model;
mod repository;
mod service;

pub(crate) use error::UserError;
pub(crate) use event::UserEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::AccessRevoker;
pub(crate) use key_api::KeyApi;
pub(crate) use model::{EventTime, MyMembership, Profile, TelemetryToken};
pub(crate) use service::{CLOCK_LEAD, Service};
