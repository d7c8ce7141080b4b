//! Onboarding: a patient is entered with the first values of the profile, invited to sign in, and asked for consent, in
//! one transaction of several domains.

mod api;
mod error;
mod model;
mod service;

pub(crate) use api::Api;
pub(crate) use service::Service;
