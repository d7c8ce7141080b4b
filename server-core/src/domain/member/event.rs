//! Events of memberships.

use super::model::MembershipOf;
use crate::event::events;

events! {
    /// Something that happened to a membership.
    MembershipEvent of MembershipOf {
        /// The user is a member from now on.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// The user is a member no more.
        Deleted => "deleted",
        /// The user is an administrator from now on: the event of the membership names no value, and who watches over rights has to know.
        AdminGranted => "admin_granted",
        /// An invitation was accepted that is not there any more.
        Ignored => "ignored",
    }
}
