mod api;
mod error;
mod event;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use event::CustomFieldEvent;
pub(crate) use model::{FieldEntity, FieldRole};
pub(crate) use repository::{ReferredField, ReferredFields, fields_referred};
pub(crate) use service::Service;
