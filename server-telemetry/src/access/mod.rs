//! Revocation of tokens before they expire: by user, organization and time of issue.

mod api;
mod error;
mod heard;
mod listener;
mod model;
mod repository;
mod service;

pub(crate) use api::AccessApi;
pub(crate) use service::AccessService;

use std::time::Duration;

/// Greatest age at which a token is accepted, whatever expiry it states. Revocations are deleted some time
/// after this age, when no token needs them any more.
pub(crate) const TOKEN_AGE: Duration = Duration::from_hours(24);
