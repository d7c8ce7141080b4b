//! Who listens to what happens in an organization.

/// Who in an organization listens to what happens there, as every reaction sees it: where nobody does, a write leaves
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
