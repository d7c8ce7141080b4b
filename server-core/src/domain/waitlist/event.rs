//! Events of entries of the waitlist.

use crate::{
    event::Event,
    ids::{SpecialistId, WaitlistEntryId},
};

/// Something that happened to an entry of the waitlist.
#[derive(Debug, Clone)]
pub(crate) enum WaitlistEvent {
    /// A patient waits.
    Created {
        /// The entry.
        id: WaitlistEntryId,
        /// Every specialist who suits.
        specialists: Vec<SpecialistId>,
    },
    /// The patient waits no more.
    Deleted(WaitlistEntryId),
    /// The patient is offered a slot.
    Offered(WaitlistEntryId),
    /// The patient has accepted.
    Accepted(WaitlistEntryId),
    /// The offer can't be kept.
    Withdrawn(WaitlistEntryId),
}

impl Event for WaitlistEvent {
    type Of = WaitlistEntryId;

    fn of(&self) -> WaitlistEntryId {
        match self {
            Self::Created { id, .. }
            | Self::Deleted(id)
            | Self::Offered(id)
            | Self::Accepted(id)
            | Self::Withdrawn(id) => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Deleted(_) => "deleted",
            Self::Offered(_) => "offered",
            Self::Accepted(_) => "accepted",
            Self::Withdrawn(_) => "withdrawn",
        }
    }
}
