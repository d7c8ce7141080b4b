//! Events of users.

use crate::{event::events, ids::UserId};

events! {
    /// Something that happened to a user.
    UserEvent of UserId {
        /// The identity provider has a new user.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// The identity provider has the user no more.
        Deleted => "deleted",
        /// The identity provider said something older than what is known.
        Ignored => "ignored",
        /// The user is invited by an organization.
        Invited => "invited",
        /// A record of a patient or specialist is the user's from now on.
        Linked => "linked",
        /// A link that the user has asked for has been accepted.
        LinkGranted => "link_granted",
        /// A record of a patient or specialist is the user's no more.
        Unlinked => "unlinked",
        /// An erasure has been asked for.
        ErasureRequested => "erasure_requested",
        /// An erasure has been tried out: nothing has changed.
        ErasurePlanned => "planned",
        /// What is personal is gone.
        Erased => "erased",
        /// What is left names nobody.
        Anonymized => "anonymized",
    }
}
