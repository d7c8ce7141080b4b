//! Daily, the video provider: rooms and participants, through its REST API.
//!
//! It receives no personal data: the names of rooms are meaningless, and people are identified by their role.

mod client;
mod error;

pub(crate) use client::{Daily, Participant, Room};
pub(crate) use error::DailyError;
