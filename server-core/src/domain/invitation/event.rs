//! Events of invitations.

use crate::{event::events, ids::InvitationId};

events! {
    /// Event of an invitation.
    InvitationEvent of InvitationId {
        /// A person was invited.
        Created => "created",
        /// A pending invitation was repeated, and its time to answer starts anew.
        Renewed => "renewed",
        /// The person accepted.
        Accepted => "accepted",
        /// The person declined.
        Declined => "declined",
        /// The organization revoked the invitation.
        Revoked => "revoked",
    }
}
