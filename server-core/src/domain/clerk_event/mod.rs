//! Events of Clerk, the identity provider, about users, sessions and invitations.
//!
//! Messages arrive in any order and more than once. Each is processed once: its id is stored in the transaction of
//! its changes. A user's profile is replaced only by a later event, so that any order ends in the same state; see
//! `docs/decisions/0011-clerk-events.md`.

mod api;
mod error;
mod event;
mod repository;
mod service;
mod session_event;

pub(crate) use api::Api;
pub(crate) use service::{Service, sweep};
