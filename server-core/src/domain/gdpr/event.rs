//! Events of erasures.

use super::model::ErasureRecord;
use crate::event::events;

events! {
    /// Event of an erasure.
    ErasureEvent of ErasureRecord {
        /// The erasure was requested.
        Requested => "requested",
        /// The plan was made.
        Planned => "planned",
        /// The erasure was refused, because the requester is not permitted to erase the person.
        Refused => "refused",
    }
}
