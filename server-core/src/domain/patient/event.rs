//! Events of patients.

use crate::{event::events, ids::PatientId};

events! {
    /// Something that happened to a patient.
    PatientEvent of PatientId {
        /// The record has been added.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// The record has been deleted.
        Deleted => "deleted",
        /// Somebody is invited to sign in as the patient.
        LinkRequested => "link_requested",
        /// Somebody signs in as the patient from now on.
        Linked => "linked",
        /// Nobody signs in as the patient any more.
        Unlinked => "unlinked",
        /// An erasure has been asked for.
        ErasureRequested => "erasure_requested",
        /// An erasure has been tried out: nothing has changed.
        ErasurePlanned => "planned",
        /// What is personal is gone.
        Erased => "erased",
        /// What is left names nobody.
        Anonymized => "anonymized",
    }
}
