//! Profiles: values of custom fields of patients, specialists, appointments and the clinic itself.

mod access;
mod api;
mod error;
mod event;
mod form_value;
mod holdings;
mod merge;
mod model;
mod owner;
mod repository;
mod service;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use api::Api;
pub(crate) use error::ProfileError;
pub(crate) use event::ProfileEvent;
pub(crate) use form_value::{FormValue, WriteBackOutcome};
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
pub(crate) use stored::PresentValue;
