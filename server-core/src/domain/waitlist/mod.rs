//! Who waits for a slot, and what is offered to whom.
//!
//! An offer is a hold, so that it stands in everybody's way like one. Who is offered what follows from what
//! is open and who waits now, not from what happened before: a job looks at both, for one specialist, after
//! each change that may have freed time, and each minute; see `docs/decisions/0020-waitlist-offers.md`.

mod api;
mod error;
mod event;
mod holdings;
mod job;
mod model;
mod offer;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::{Offerer, offer_freed, offer_open, sweep};
pub(crate) use service::Service;
