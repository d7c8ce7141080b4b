//! Events of video rooms.

use super::model::RoomOf;
use crate::event::events;

events! {
    /// Event of the room of an appointment.
    RoomEvent of RoomOf {
        /// It was created.
        Created => "created",
        /// It was changed.
        Updated[changed] => "updated",
        /// It was deleted.
        Deleted => "deleted",
    }
}
