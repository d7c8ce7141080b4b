//! Events of organizations.

use crate::{event::events, ids::OrganizationId};

events! {
    /// Something that happened to an organization.
    OrganizationEvent of OrganizationId {
        /// It has been added.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
    }
}
