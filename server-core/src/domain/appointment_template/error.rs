use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// Errors of appointment templates.
    pub(crate) enum AppointmentTemplateError {
        NotFound => NotFound "appointment_template_not_found" "There is no such appointment template.",
        SlugTaken => Conflict "slug_taken" "Another appointment template in use has this slug.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
