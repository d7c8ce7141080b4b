//! Invitations: what a clinic offers to a person, and counts only once that person has accepted it. A
//! membership, or a record of a patient or specialist to be the person's own.
//!
//! Nothing that a clinic is answered depends on whether anybody has an account; see
//! `docs/decisions/0025-invitations.md`. Beside the usual rooms: [`answer`], what the invited person does, and
//! [`job`], which has the identity provider write to who has no account.

mod answer;
mod api;
mod error;
mod event;
mod holdings;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::Inviter;
pub(crate) use model::MyInvitation;
pub(crate) use service::{Service, sweep};
