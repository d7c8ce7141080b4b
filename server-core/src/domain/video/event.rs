//! Events of rooms.

use super::model::RoomOf;
use crate::event::events;

events! {
    /// Something that happened to the room of an appointment.
    RoomEvent of RoomOf {
        /// The room has been made.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// The room has been taken away.
        Deleted => "deleted",
    }
}
