//! Forms that wait for the patient who calls.

mod api;
mod model;
mod repository;
mod service;

pub(crate) use api::MineApi;
