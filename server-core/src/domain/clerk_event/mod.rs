//! Events of Clerk, the identity provider: what it tells of users, sessions and invitations.
//!
//! Messages come unordered and repeated. Each is processed once: its id is stored in the transaction of
//! what it did. What it says of a user counts unless something newer was said before, so that any order
//! ends in the same state; see `docs/decisions/0011-clerk-events.md`.

mod api;
mod error;
mod event;
mod repository;
mod service;
mod session_event;

pub(crate) use api::Api;
pub(crate) use service::{Service, sweep};
