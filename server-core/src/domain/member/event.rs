//! Events of memberships.

use super::model::MembershipOf;
use crate::event::events;

events! {
    /// Event of a membership.
    MembershipEvent of MembershipOf {
        /// The user became a member.
        Created => "created",
        /// Fields of the membership changed.
        Updated[changed] => "updated",
        /// The membership ended.
        Deleted => "deleted",
        /// The user became an administrator. The event `updated` names no value, and reviews of rights need this one.
        AdminGranted => "admin_granted",
        /// The acceptance of an invitation changed nothing: the user is a member already or deleted, or the
        /// organization is unknown.
        Ignored => "ignored",
    }
}
