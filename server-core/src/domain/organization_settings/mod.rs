mod api;
mod error;
mod event;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use job::SettingsPusher;
pub(crate) use service::Service;
