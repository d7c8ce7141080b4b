//! Events of profiles.

use crate::{event::Event, ids::Entity};

/// Event of the profile of a record: its values were written. It is an event of the record itself, which the trail
/// names.
#[derive(Debug, Clone)]
pub(crate) struct ProfileEvent<E> {
    /// Record whose profile it is.
    pub(super) of: E,
    /// Keys of the fields whose values changed.
    pub(super) keys: Vec<String>,
}

impl<E: Entity + Copy + Send + Sync + 'static> Event for ProfileEvent<E> {
    type Of = E;

    fn of(&self) -> E {
        self.of
    }

    fn verb(&self) -> &'static str {
        "profile_updated"
    }

    fn changed_keys(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("values.{key}")).collect()
    }
}
