//! Forms of appointments: those that an appointment template lists are created with the appointment or afterwards, in
//! one transaction of several domains.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use service::Service;
