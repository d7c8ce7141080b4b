//! Events of specialties.

use crate::{event::events, ids::SpecialtyId};

events! {
    /// Event of a specialty.
    SpecialtyEvent of SpecialtyId {
        /// The specialty was created.
        Created => "created",
        /// Fields of the specialty were changed.
        Updated[changed] => "updated",
        /// The specialty was archived, or deleted if nothing refers to it.
        Deleted => "deleted",
    }
}
