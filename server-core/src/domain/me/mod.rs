//! The caller itself: its account and memberships, and the invitations to further ones.

mod api;
mod model;

pub(crate) use api::Api;
