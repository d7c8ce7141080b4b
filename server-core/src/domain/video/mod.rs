//! Video appointments. Each has a room at Daily, created by a job after the booking, or when a participant joins before
//! the job has run.
//!
//! The state of the appointment decides, not the order of events: whoever adapts a room reads the appointment, calls
//! Daily, and checks that the appointment has not changed meanwhile. The name of a room is derived from its
//! appointment, so that Daily refuses a second room.

mod api;
mod error;
mod event;
mod holdings;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use job::{RoomFollower, room_follow};
pub(crate) use service::Service;
