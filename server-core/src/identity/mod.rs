//! Callers and their permissions: types that every module may import. They depend on neither HTTP nor SQL.

mod actor;
mod caller;
mod capacity;
mod changed;
mod denied;
mod grant;
mod membership;
mod permission;
mod person;
mod secret;

pub(crate) use actor::{Actor, Origin, user_agent};
pub(crate) use caller::{Caller, Credential, Session};
pub(crate) use capacity::Capacity;
pub(crate) use changed::{Changed, Listeners, Remembers};
pub(crate) use denied::Denied;
pub(crate) use grant::ApiKeyGrant;
pub(crate) use membership::{Identity, Membership};
pub(crate) use permission::{Permission, Role, Scope};
pub(crate) use person::Person;
pub(crate) use secret::Secrets;
