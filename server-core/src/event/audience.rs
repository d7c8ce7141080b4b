//! Listeners to the events of an organization.

/// Listeners to the events of an organization, as every reaction sees them: where nobody listens, a write leaves
/// no job. It may be out of date for as long as other processes take to hear of a change, a second at most while they
/// hear at all, so whoever begins to listen looks by itself at what happened before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Somebody is on the waitlist.
    pub(crate) waiting: bool,
}

impl Audience {
    /// Everybody: where it isn't known who listens, or what happens concerns no organization.
    pub(crate) const EVERYBODY: Self = Self { waiting: true };
}
