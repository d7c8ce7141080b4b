//! Events of appointment templates.

use crate::{event::events, ids::AppointmentTemplateId};

events! {
    /// Something that happened to an appointment template.
    AppointmentTemplateEvent of AppointmentTemplateId {
        /// It has been added.
        Created => "created",
        /// Some of its fields have other values.
        Updated[changed] => "updated",
        /// It has been archived, or deleted if nothing refers to it.
        Deleted => "deleted",
    }
}
