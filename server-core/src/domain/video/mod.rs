//! Appointments by video: each has a room at Daily, made by a job when it is booked, or when somebody wants
//! to join and the job has not been there yet.
//!
//! What the appointment says counts, not the order of what happened to it: whoever brings the room into
//! line reads the appointment anew, asks Daily, and looks again whether it still stands as it was read. A
//! room's name follows from its appointment, so that Daily itself refuses a second one.

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
