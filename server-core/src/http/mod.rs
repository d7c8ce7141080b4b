//! Authentication, rate limits and repeated requests of callers.

mod api_key;
mod authentication;
mod caller;
mod changes;
mod claims;
mod feed;
mod holdings;
mod idempotency;
mod identity;
mod impersonation;
mod limits;
mod repository;
mod scanner;
mod session;

pub(crate) use api_key::ApiKeys;
pub(crate) use authentication::{Authentication, Directory};
pub(crate) use caller::origin_of;
pub(crate) use changes::Changes;
pub(crate) use feed::Feeds;
pub(crate) use holdings::HOLDINGS;
pub(crate) use idempotency::Idempotency;
pub(crate) use identity::Identities;
pub(crate) use impersonation::Impersonations;
pub(crate) use limits::{Budgets, CallerLimits};
pub(crate) use repository::answers_purge;
pub(crate) use scanner::scanners;
pub(crate) use session::Sessions;
