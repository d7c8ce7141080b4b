//! Events of patients.

use crate::{event::events, ids::PatientId};

events! {
    /// Event of a patient.
    PatientEvent of PatientId {
        /// The record was created.
        Created => "created",
        /// Fields of the record were changed.
        Updated[changed] => "updated",
        /// The record was deleted.
        Deleted => "deleted",
        /// A person was invited to sign in as the patient.
        LinkRequested => "link_requested",
        /// A user was linked to the record and signs in as the patient.
        Linked => "linked",
        /// The link between record and user ended.
        Unlinked => "unlinked",
        /// Decisions of the patient on consent were recorded, to be kept by Telemetry.
        ConsentRecorded => "consent_recorded",
        /// Another record was merged into the record.
        Merged => "merged",
        /// The record was merged into another one.
        MergedAway => "merged_away",
        /// An erasure was requested.
        ErasureRequested => "erasure_requested",
        /// An erasure was planned without changing anything.
        ErasurePlanned => "planned",
        /// The personal data was erased.
        Erased => "erased",
        /// The record was anonymized.
        Anonymized => "anonymized",
    }
}
