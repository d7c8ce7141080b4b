mod api;
mod ended;
mod error;
mod event;
mod holdings;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use error::MemberError;
pub(crate) use holdings::HOLDINGS;
pub(crate) use model::{Invitation, MemberRole};
pub(crate) use service::Service;
