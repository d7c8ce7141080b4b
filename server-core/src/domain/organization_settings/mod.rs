mod api;
mod error;
mod event;
mod model;
mod repository;
mod service;
mod work;

pub(crate) use api::Api;
pub(crate) use service::Service;
pub(crate) use work::SettingsPusher;
