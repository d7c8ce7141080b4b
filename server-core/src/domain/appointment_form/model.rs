use poem_openapi::{Object, types::Example};
use server_shared::value::{Line, Moment};

use crate::{
    domain::{appointment::Appointment, form::FormSummary},
    ids::{AppointmentTemplateId, FormTemplateId, PatientId, SpecialistId},
};

/// Largest number of forms that count at an appointment.
pub(super) const MOST_FORMS: usize = 100;

/// Request to create an appointment with the terms and the forms of an appointment template.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateAppointmentFromTemplate {
    /// Id of the appointment template, which determines duration, buffers, specialty, modality, cut-offs and forms.
    pub(crate) appointment_template_id: AppointmentTemplateId,
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Start of the appointment, within ten years of now.
    pub(crate) started_at: Moment,
    /// Subject of the appointment; it must not contain names or diagnoses.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
}

impl Example for CreateAppointmentFromTemplate {
    fn example() -> Self {
        let Appointment { started_at, specialist_id, patient_id, .. } = Appointment::example();
        Self {
            appointment_template_id: AppointmentTemplateId(5),
            specialist_id,
            patient_id,
            started_at: Moment::nearest(started_at),
            title: Line::from_static("First examination"),
        }
    }
}

/// Appointment with the forms that were created for it.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AppointmentWithForms {
    /// Appointment that was created.
    pub(crate) appointment: Appointment,
    /// Forms of the appointment in the order of their creation, which is that of the appointment template.
    pub(crate) forms: Vec<FormSummary>,
    /// Ids of form templates that the appointment template lists, but that are archived or were never published.
    pub(crate) omitted_form_template_ids: Vec<FormTemplateId>,
}

impl Example for AppointmentWithForms {
    fn example() -> Self {
        Self {
            appointment: Appointment::example(),
            forms: vec![FormSummary::example()],
            omitted_form_template_ids: Vec::new(),
        }
    }
}

/// Request to attach forms to an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AttachForms {
    /// Ids of published form templates in use, 1 to 20, each once; if left out, those that the appointment's template
    /// lists, none without a template.
    #[oai(validator(min_items = 1, max_items = 20, unique_items))]
    pub(crate) form_template_ids: Option<Vec<FormTemplateId>>,
}

impl Example for AttachForms {
    fn example() -> Self {
        Self { form_template_ids: Some(vec![FormTemplateId(9)]) }
    }
}

/// Forms of an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AppointmentForms {
    /// Every form of the appointment that is not void and was not amended, in the order of creation; at most 100.
    pub(crate) forms: Vec<FormSummary>,
    /// Ids of form templates that the appointment's template lists, but that are archived or were never published; none
    /// if the request names form templates.
    pub(crate) omitted_form_template_ids: Vec<FormTemplateId>,
}

impl Example for AppointmentForms {
    fn example() -> Self {
        Self { forms: vec![FormSummary::example()], omitted_form_template_ids: Vec::new() }
    }
}
