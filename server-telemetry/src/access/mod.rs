//! Tokens that Core calls back before they expire: whose, where, and those issued before which moment.

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

/// Greatest age at which a token is accepted, whatever its own expiry says: its revocation is deleted some time
/// later, and must not be needed any more by then.
pub(crate) const TOKEN_AGE: Duration = Duration::from_hours(24);
