//! A user and its memberships.

use super::Capacity;
use crate::ids::{OrganizationId, UserId};

/// A user with everything that authentication needs to know.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user_id: UserId,
    /// Name of the user.
    pub(crate) name: String,
    /// Whether the user runs the platform.
    pub(crate) superadmin: bool,
    /// Where requests go that name no organization.
    pub(crate) current_organization_id: Option<OrganizationId>,
    /// One entry an organization, by name.
    pub(crate) memberships: Vec<Membership>,
}

/// Membership of a user in one organization.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// Its name.
    pub(crate) organization_name: String,
    /// Its slug.
    pub(crate) organization_slug: String,
    /// Role of the user in it, with the record that belongs to the role.
    pub(crate) capacity: Capacity,
}
