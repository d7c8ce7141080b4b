//! Audience: a summary of the listeners to the events of an organization.

/// Listeners to the events of an organization, as reactions see them: without a listener, a write leaves no job.
///
/// The value may be out of date until this process hears of a change, for a second at most while notifications arrive.
/// A new listener must therefore read the events itself that happened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Somebody is on the waitlist.
    pub(crate) waiting: bool,
    /// The organization has segments.
    pub(crate) segments: bool,
    /// The rule of a segment reads appointments.
    pub(crate) appointment_segments: bool,
}

impl Audience {
    /// Every listener, assumed where the audience is unknown or the event concerns no organization.
    pub(crate) const EVERYBODY: Self = Self { waiting: true, segments: true, appointment_segments: true };
}
