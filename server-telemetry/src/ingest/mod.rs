//! What every ingest operation shares: where an event stands in time, and what became of a batch.

mod clock;
mod period;
mod receipt;

pub(crate) use clock::{Clock, storable};
pub(crate) use period::{Period, PeriodError};
pub(crate) use receipt::{DropReason, EventFault, IngestReceipt, Tally};

#[derive(poem_openapi::Tags)]
pub(crate) enum Tag {
    /// Revocations of tokens that Core issued.
    Access,
    /// Settings of organizations, as Core sends them.
    Organizations,
    /// The trail of what was done in Core: who, what, when.
    Audit,
    /// What rules saw in the audit trail.
    Security,
    /// What people do in the pages of a clinic, as events.
    Analytics,
    /// Video calls and guided exercises, as sessions.
    Media,
    /// Frames of body landmarks while an exercise runs.
    Pose,
    /// What a person agreed to, who is not tracked, and what is held on a person.
    Privacy,
}
