//! Events of erasures.

use super::model::ErasureRecord;
use crate::event::events;

events! {
    /// Something that happened to an erasure.
    ErasureEvent of ErasureRecord {
        /// Somebody has asked for it.
        Requested => "requested",
        /// It is known what it takes.
        Planned => "planned",
        /// Whoever asked for it may not have it done.
        Refused => "refused",
    }
}
