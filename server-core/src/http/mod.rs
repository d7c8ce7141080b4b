//! Who calls, for which organization, and what they may do.

mod authentication;
mod caller;
mod identity;
mod permission;

pub(crate) use authentication::Authentication;
pub(crate) use caller::Caller;
pub(crate) use identity::{Identities, Identity};
pub(crate) use permission::{Permission, Role};
