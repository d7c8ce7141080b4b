//! Events of segments.

use crate::{event::Event, ids::SegmentId};

/// Event of a segment.
#[derive(Debug, Clone)]
pub(crate) enum SegmentEvent {
    /// It was created.
    Created(SegmentId),
    /// Its properties were replaced.
    Updated {
        /// Id of the segment.
        id: SegmentId,
        /// Names of the fields whose values differ.
        changed: Vec<&'static str>,
    },
    /// It was deleted, with its members and their history.
    Deleted(SegmentId),
    /// Its members were found again.
    Evaluated {
        /// Id of the segment.
        id: SegmentId,
        /// Number of patients who became members.
        joined: i64,
        /// Number of patients who are no members any more.
        left: i64,
        /// `true` if the rule could not be evaluated before.
        restored: bool,
    },
    /// Its rule can't be evaluated any more, or for another reason than before.
    Invalidated(SegmentId),
}

impl SegmentEvent {
    /// Returns the segment if a rule was written that has not been evaluated.
    pub(super) fn written(&self) -> Option<SegmentId> {
        match self {
            Self::Created(id) => Some(*id),
            Self::Updated { id, changed } => changed.contains(&"rule").then_some(*id),
            Self::Deleted(_) | Self::Evaluated { .. } | Self::Invalidated(_) => None,
        }
    }

    /// Returns the segment if its members or its state may have changed for the segments that read it.
    pub(super) fn read_by_others(&self) -> Option<SegmentId> {
        match self {
            Self::Evaluated { id, joined, left, restored } => (*restored || joined + left > 0).then_some(*id),
            Self::Updated { id, .. } | Self::Invalidated(id) => Some(*id),
            Self::Created(_) | Self::Deleted(_) => None,
        }
    }
}

impl Event for SegmentEvent {
    type Of = SegmentId;

    fn of(&self) -> SegmentId {
        match self {
            Self::Created(id)
            | Self::Deleted(id)
            | Self::Invalidated(id)
            | Self::Updated { id, .. }
            | Self::Evaluated { id, .. } => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Updated { .. } => "updated",
            Self::Deleted(_) => "deleted",
            Self::Evaluated { .. } => "evaluated",
            Self::Invalidated(_) => "invalidated",
        }
    }

    fn changed(&self) -> Vec<&'static str> {
        if let Self::Updated { changed, .. } = self { changed.clone() } else { Vec::new() }
    }
}
