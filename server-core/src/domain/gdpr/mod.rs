//! The rights of a person to its data: a copy of it (Art. 15 and 20 GDPR), and its end (Art. 17).
//!
//! Beside the usual rooms: [`work`], the job that erases what the rooms hold on people, and [`export`], the
//! document that shows it.

mod api;
mod elsewhere;
mod error;
mod event;
mod export;
mod model;
mod repository;
mod service;
mod work;

pub(crate) use api::{AccountApi, Api};
pub(crate) use service::Service;
pub(crate) use work::{Eraser, Erasure};
