//! Events of impersonations.

use crate::{event::events, ids::ImpersonationId};

events! {
    /// Event of an impersonation.
    ImpersonationEvent of ImpersonationId {
        /// An administrator began to act as a patient.
        Began => "began",
        /// The impersonation ended.
        Ended => "ended",
    }
}
