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
mod model;
mod repository;
mod service;
mod work;

pub(crate) use api::Api;
pub(crate) use holdings::HOLDINGS;
pub(crate) use service::Service;
pub(crate) use work::{RoomFollower, room_follow};
