//! Events of impersonations.

use crate::{event::events, ids::ImpersonationId};

events! {
    /// Something that happened to an impersonation.
    ImpersonationEvent of ImpersonationId {
        /// An administrator acts as a patient.
        Began => "began",
        /// The administrator acts as the patient no more.
        Ended => "ended",
    }
}
