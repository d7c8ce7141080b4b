//! Events of specialties.

use crate::{event::events, ids::SpecialtyId};

events! {
    /// Something that happened to a specialty.
    SpecialtyEvent of SpecialtyId {
        /// It has been added.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// It has been archived, or deleted if nothing refers to it.
        Deleted => "deleted",
    }
}
