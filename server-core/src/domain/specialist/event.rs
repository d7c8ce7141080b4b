//! Events of specialists.

use crate::{event::events, ids::SpecialistId};

events! {
    /// Something that happened to a specialist.
    SpecialistEvent of SpecialistId {
        /// The record has been added.
        Created => "created",
        /// Some of its fields, or its schedule, have other values.
        Updated[changed] => "updated",
        /// The record has been deleted.
        Deleted => "deleted",
        /// Somebody is invited to sign in as the specialist.
        LinkRequested => "link_requested",
        /// Somebody signs in as the specialist from now on.
        Linked => "linked",
        /// Nobody signs in as the specialist any more.
        Unlinked => "unlinked",
    }
}
