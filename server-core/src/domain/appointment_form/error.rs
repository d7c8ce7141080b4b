use poem_openapi::types::ToJSON;
use serde_json::json;
use server_shared::errors;

use super::model::MOST_FORMS;
use crate::{
    database::DatabaseError,
    domain::{
        appointment::{AppointmentError, AppointmentStatus},
        form::FormError,
        rules::InvalidValue,
    },
    ids::FormTemplateId,
};

errors! {
    /// Errors of the forms of appointments.
    pub(crate) enum AppointmentFormError {
        NotOpen { status: AppointmentStatus } => Conflict "appointment_not_open"
            "Forms are attached to appointments that are scheduled, confirmed or in progress; see details."
            with json!({ "status": status.to_json() }),
        TooMany => Conflict "too_many_forms"
            "The appointment has the maximum number of forms; make one void first." with json!({ "limit": MOST_FORMS }),
        Archived { templates: Vec<FormTemplateId> } => Conflict "form_template_archived"
            "Some of the form templates are archived, so no form is created from them; see details."
            with json!({ "form_template_ids": templates.to_json() }),
        NotPublished { templates: Vec<FormTemplateId> } => Conflict "form_template_not_published"
            "Some of the form templates have no published version; publish them first, see details."
            with json!({ "form_template_ids": templates.to_json() }),
    }
    and those of {
        Appointment(#[from] AppointmentError),
        Form(#[from] FormError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
