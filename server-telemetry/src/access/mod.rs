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

/// How long after it was issued a token is believed at most, whatever it says itself: what called it back is
/// forgotten some time after that, and must not be needed any more.
pub(crate) const TOKEN_AGE: Duration = Duration::from_hours(24);
