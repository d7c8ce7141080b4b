use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    Service,
    model::{AppointmentForms, AppointmentWithForms, AttachForms, CreateAppointmentFromTemplate},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentId,
};

/// Operations that create the forms of appointments.
pub(crate) struct Api {
    pub(crate) appointment_forms: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl Api {
    /// Create an appointment from a template
    ///
    /// Creates an appointment with duration, buffers, specialty, modality and cut-offs of an appointment template, and
    /// the forms that the template lists: all of it or, after any error, nothing. Like `appointment_create`, it ignores
    /// working hours, and answers 409 `slot_taken` if the specialist or the patient already has an appointment at this
    /// time, buffers included; `appointment_book` books open slots. Forms begin with the answers that the patient's
    /// record and profile have, and are due when the appointment begins, also after it was moved; an appointment that
    /// has begun already sets no time. Form templates that are archived or were never published are left out and listed
    /// in `omitted_form_template_ids`. Send an `Idempotency-Key`, so that a repeated request does not create a second
    /// appointment.
    #[oai(path = "/appointments/from-template", method = "post", operation_id = "appointment_from_template")]
    async fn appointment_from_template(
        &self,
        caller: Caller,
        body: Body<CreateAppointmentFromTemplate>,
    ) -> Result<Created<AppointmentWithForms>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        caller.may(Permission::FormWrite)?;
        Ok(Created(self.appointment_forms.create(&caller, caller.organization()?, &body).await?))
    }

    /// Attach forms to an appointment
    ///
    /// Creates a form of each given form template, or of those that the appointment's template lists, unless the
    /// appointment has one that is not void and was not amended: a repeated request changes nothing, and two at once
    /// create one form. The forms begin with the answers that the patient's record and profile have, and are due when
    /// the appointment begins, also after it was moved; an appointment that has begun already sets no time. Returns
    /// every form of the appointment that counts.
    ///
    /// Answers 409 `appointment_not_open` unless the appointment is scheduled, confirmed or in progress, 409
    /// `form_template_archived` or `form_template_not_published` if no form can be created from a given form template,
    /// whose ids `details` lists, and 409 `too_many_forms` if the appointment would have more than 100 forms.
    #[oai(
        path = "/appointments/:appointment_id/attach-forms",
        method = "post",
        operation_id = "appointment_forms_attach"
    )]
    async fn appointment_forms_attach(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        body: Body<AttachForms>,
    ) -> Result<Json<AppointmentForms>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        caller.may(Permission::FormWrite)?;
        let organization = caller.organization()?;
        Ok(Json(self.appointment_forms.attach(&caller, organization, appointment_id.0, &body).await?))
    }
}
