//! Invitations of clinics to become a member, or to sign in as a patient or specialist. They take effect when the
//! person accepts.
//!
//! No answer to a clinic depends on the existence of an account; see `docs/decisions/0025-invitations.md`. Besides the
//! usual modules: [`answer`], the answers of invited people, [`newcomer`], the invitation to sign in as a patient who
//! is just being created, and [`job`], by which the identity provider sends e-mails to people without an account.

mod answer;
mod api;
mod error;
mod event;
mod holdings;
mod job;
mod model;
mod newcomer;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::InvitationError;
pub(crate) use event::InvitationEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::Inviter;
pub(crate) use model::{Invitation, LinkRecord, MyInvitation};
pub(crate) use service::{Service, sweep};
