//! Events of specialists.

use crate::{event::events, ids::SpecialistId};

events! {
    /// Event of a specialist.
    SpecialistEvent of SpecialistId {
        /// The record was created.
        Created => "created",
        /// Fields of the record or its schedule were changed.
        Updated[changed] => "updated",
        /// The record was deleted.
        Deleted => "deleted",
        /// A person was invited to sign in as the specialist.
        LinkRequested => "link_requested",
        /// A user was linked to the record.
        Linked => "linked",
        /// The link to the user ended.
        Unlinked => "unlinked",
    }
}
