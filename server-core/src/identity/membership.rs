//! Users and their memberships.

use super::Capacity;
use crate::ids::{OrganizationId, UserId};

/// User, with everything that authentication needs.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Id of the user.
    pub(crate) user_id: UserId,
    /// Name of the user.
    pub(crate) name: String,
    /// `true` if the user is a superadmin.
    pub(crate) superadmin: bool,
    /// Organization of requests that name none.
    pub(crate) current_organization_id: Option<OrganizationId>,
    /// Memberships, one for each organization, ordered by its name.
    pub(crate) memberships: Vec<Membership>,
}

/// Membership of a user in one organization.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// Id of the organization.
    pub(crate) organization_id: OrganizationId,
    /// Name of the organization.
    pub(crate) organization_name: String,
    /// Slug of the organization.
    pub(crate) organization_slug: String,
    /// Role of the user in the organization, with the record of the role.
    pub(crate) capacity: Capacity,
}
