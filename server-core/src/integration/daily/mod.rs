//! Daily, which carries video: rooms and who may enter them, by its REST API.
//!
//! It learns nothing of anybody: rooms have names that say nothing, people are a role.

mod client;
mod error;

pub(crate) use client::{Daily, Participant, Room};
pub(crate) use error::DailyError;
