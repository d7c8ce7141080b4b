//! Forms of an appointment, created by the domain that knows which ones.

mod repository;
mod service;

pub(crate) use repository::summaries;
pub(crate) use service::{PublishedTemplate, Visit};
