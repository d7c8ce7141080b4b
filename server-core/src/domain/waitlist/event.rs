//! Events of the waitlist.

use crate::{
    event::Event,
    ids::{SpecialistId, WaitlistEntryId},
};

/// Event of an entry of the waitlist.
#[derive(Debug, Clone)]
pub(crate) enum WaitlistEvent {
    /// It was created.
    Created {
        /// Id of the entry.
        id: WaitlistEntryId,
        /// Specialists who can serve the entry.
        specialists: Vec<SpecialistId>,
    },
    /// It was deleted.
    Deleted(WaitlistEntryId),
    /// A slot was offered to it.
    Offered(WaitlistEntryId),
    /// Its offer was accepted.
    Accepted(WaitlistEntryId),
    /// Its offer was withdrawn.
    Withdrawn(WaitlistEntryId),
    /// It names another patient, into whose record that of its patient was merged.
    Reassigned(WaitlistEntryId),
}

impl Event for WaitlistEvent {
    type Of = WaitlistEntryId;

    fn of(&self) -> WaitlistEntryId {
        match self {
            Self::Created { id, .. }
            | Self::Deleted(id)
            | Self::Offered(id)
            | Self::Accepted(id)
            | Self::Withdrawn(id)
            | Self::Reassigned(id) => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Deleted(_) => "deleted",
            Self::Offered(_) => "offered",
            Self::Accepted(_) => "accepted",
            Self::Withdrawn(_) => "withdrawn",
            Self::Reassigned(_) => "updated",
        }
    }

    fn changed(&self) -> Vec<&'static str> {
        if matches!(self, Self::Reassigned(_)) { vec!["patient_id"] } else { Vec::new() }
    }
}
