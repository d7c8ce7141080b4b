//! Events of invitations.

use crate::{event::events, ids::InvitationId};

events! {
    /// Something that happened to an invitation.
    InvitationEvent of InvitationId {
        /// Somebody is invited.
        Created => "created",
        /// Somebody is invited again, and has as long to answer as the first time.
        Renewed => "renewed",
        /// The invited person has accepted.
        Accepted => "accepted",
        /// The invited person has declined.
        Declined => "declined",
        /// The organization has taken it back.
        Revoked => "revoked",
    }
}
