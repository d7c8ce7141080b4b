mod api;
mod error;
mod event;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use model::Modality;
pub(crate) use repository::form_templates_listed;
pub(crate) use service::Service;
