//! Events of users.

use crate::{event::events, ids::UserId};

events! {
    /// Event of a user.
    UserEvent of UserId {
        /// The user was created at the identity provider.
        Created => "created",
        /// Fields of the user changed.
        Updated[changed] => "updated",
        /// The user was deleted at the identity provider.
        Deleted => "deleted",
        /// An event of the identity provider was ignored, because the user's row reflects a later one or the user is
        /// deleted.
        Ignored => "ignored",
        /// An organization invited the user.
        Invited => "invited",
        /// A patient or specialist record was linked to the user.
        Linked => "linked",
        /// A link that the user requested was accepted.
        LinkGranted => "link_granted",
        /// A patient or specialist record was unlinked from the user.
        Unlinked => "unlinked",
        /// An erasure of the user was requested.
        ErasureRequested => "erasure_requested",
        /// A dry run of an erasure changed nothing.
        ErasurePlanned => "planned",
        /// Personal data of the user was erased.
        Erased => "erased",
        /// Personal data of the user was anonymized.
        Anonymized => "anonymized",
    }
}
