//! Onboarding: a patient is entered, invited to sign in, and asked for consent, in one transaction of several domains.

mod api;
mod error;
mod model;
mod service;

pub(crate) use api::Api;
pub(crate) use service::Service;
