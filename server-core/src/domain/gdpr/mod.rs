//! The rights of a person to its data: a copy of it (Art. 15 and 20 GDPR), and its end (Art. 17).
//!
//! Beside the usual rooms: [`job`], which erases what the rooms hold on people, and [`export`], the
//! document that shows it.

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
