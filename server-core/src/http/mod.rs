//! Who calls, for which organization, and what they may do.

mod api_key;
mod authentication;
mod caller;
mod capacity;
mod changes;
mod feed;
mod idempotency;
mod identity;
mod impersonation;
mod limits;
mod permission;
mod remembered;
mod repository;
mod scanner;
mod secret;
mod session;

pub(crate) use api_key::ApiKeys;
pub(crate) use authentication::{Authentication, Directory};
pub(crate) use caller::{Caller, Person};
pub(crate) use capacity::Capacity;
pub(crate) use changes::Changes;
pub(crate) use feed::Feeds;
pub(crate) use idempotency::Idempotency;
pub(crate) use identity::{Identities, Identity};
pub(crate) use impersonation::Impersonations;
pub(crate) use limits::{Budgets, CallerLimits};
pub(crate) use permission::{Permission, Role, Scope};
pub(crate) use repository::answers_purge;
pub(crate) use scanner::scanners;
pub(crate) use secret::Secrets;
pub(crate) use session::Sessions;
