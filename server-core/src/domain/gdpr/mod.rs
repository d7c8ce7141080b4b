//! Export (Art. 15 and 20 GDPR) and erasure (Art. 17) of a person's data.
//!
//! Besides the usual modules: [`job`], which erases the data that the domains hold, and [`export`], the document of an
//! export.

mod api;
mod elsewhere;
mod error;
mod event;
mod export;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use api::{AccountApi, Api};
pub(crate) use job::{Eraser, Erasure};
pub(crate) use service::Service;
