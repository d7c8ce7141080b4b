//! Parts that the ingest operations share: correction of times, periods, receipts, and the tags of the
//! specification.

mod clock;
mod period;
mod receipt;

pub(crate) use clock::Clock;
pub(crate) use period::{Period, PeriodError};
pub(crate) use receipt::{DropReason, EventFault, IngestReceipt, Tally};

#[derive(poem_openapi::Tags)]
pub(crate) enum Tag {
    /// Revocation of tokens that Core issued.
    Access,
    /// Settings of organizations that Core sends.
    Organizations,
    /// Audit trail of Core: the actor, the action and the time of each entry.
    Audit,
    /// Security events that rules derive from the audit trail.
    Security,
    /// Analytics events that people cause in the pages of a clinic.
    Analytics,
    /// Sessions of video calls and guided exercises.
    Media,
    /// Frames of body landmarks recorded during an exercise.
    Pose,
    /// Consent, exclusions from tracking, and export and erasure of a person's data.
    Privacy,
}
