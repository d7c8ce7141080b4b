//! Waitlist: entries of patients who wait for a slot, and offers to them.
//!
//! An offer is a hold, so that it blocks its time. Offers depend on the slots that are open and the entries that wait
//! at present, not on past events: a job reads both for one specialist after each change that may have freed time, and
//! every minute; see `docs/decisions/0020-waitlist-offers.md`.

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
pub(crate) use event::WaitlistEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::{Offerer, offer_freed, offer_open, sweep};
pub(crate) use service::Service;
