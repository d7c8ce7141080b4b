mod api;
mod error;
mod event;
mod model;
mod repository;
mod service;
mod work;

pub(crate) use api::Api;
pub(crate) use error::UserError;
pub(crate) use event::UserEvent;
pub(crate) use model::{Moment, MyMembership, Profile};
pub(crate) use repository::CLOSED;
pub(crate) use service::Service;
pub(crate) use work::AccessRevoker;
