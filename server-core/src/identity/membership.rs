//! A user and its memberships.

use super::Capacity;
use crate::ids::{OrganizationId, UserId};

/// A user with everything that authentication needs to know.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user_id: UserId,
    /// What to call the user.
    pub(crate) name: String,
    /// Whether the user runs the platform.
    pub(crate) superadmin: bool,
    /// Where requests go that name no organization.
    pub(crate) current_organization_id: Option<OrganizationId>,
    /// One entry an organization, by name.
    pub(crate) memberships: Vec<Membership>,
}

/// What a user is in one organization.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// Its name.
    pub(crate) organization_name: String,
    /// Its slug.
    pub(crate) organization_slug: String,
    /// What the user is in it.
    pub(crate) capacity: Capacity,
}
