mod api;
mod content;
mod error;
mod event;
mod library;
mod model;
mod preview;
mod repository;
mod service;
mod stored;

pub(crate) use api::Api;
pub(crate) use content::Content;
pub(crate) use event::FormTemplateEvent;
pub(crate) use service::Service;
