//! Events of organizations.

use crate::{event::events, ids::OrganizationId};

events! {
    /// Event of an organization.
    OrganizationEvent of OrganizationId {
        /// The organization was created.
        Created => "created",
        /// Fields of the organization were changed.
        Updated[changed] => "updated",
    }
}
