//! Account of the caller, with its memberships and invitations.

mod api;
mod model;

pub(crate) use api::Api;
