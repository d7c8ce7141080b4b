//! Events of appointment templates.

use crate::{event::events, ids::AppointmentTemplateId};

events! {
    /// Event of an appointment template.
    AppointmentTemplateEvent of AppointmentTemplateId {
        /// The template was created.
        Created => "created",
        /// Fields of the template were changed.
        Updated[changed] => "updated",
        /// The template was archived, or deleted if nothing refers to it.
        Deleted => "deleted",
    }
}
