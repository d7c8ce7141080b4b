//! Merges of records of a patient who was entered twice.

mod api;
mod change;
mod model;
mod repository;
mod service;

pub(super) use api::MergeApi;
pub(super) use model::Overlap;
pub(crate) use repository::merged_records;
pub(crate) use service::{absent, check_unmerged};
