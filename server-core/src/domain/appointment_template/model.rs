use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Name, Prose};

use crate::ids::{AppointmentTemplateId, FormTemplateId, SpecialtyId};

/// Kind of appointment that a clinic offers for booking.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AppointmentTemplate {
    /// Id of the template.
    pub(crate) id: AppointmentTemplateId,
    /// Name.
    pub(crate) name: String,
    /// Name in links, unique among the templates in use.
    pub(crate) slug: String,
    /// Description.
    pub(crate) description: String,
    /// Duration of the appointment in minutes.
    pub(crate) duration_minutes: i32,
    /// Minutes that stay free before the appointment; absent if the value of the specialist's schedule applies.
    pub(crate) buffer_before_minutes: Option<i32>,
    /// Minutes that stay free after the appointment; absent if the value of the specialist's schedule applies.
    pub(crate) buffer_after_minutes: Option<i32>,
    /// Minimum notice of a booking in minutes before the start; absent if the value of the specialist's schedule
    /// applies.
    pub(crate) minimum_notice_minutes: Option<i32>,
    /// Id of the specialty of the appointment; absent if it has none.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Form of the meeting of specialist and patient.
    pub(crate) modality: Modality,
    /// Minutes before the start from which on patients can no longer cancel.
    pub(crate) cancellation_cutoff_minutes: i32,
    /// Minutes before the start from which on patients can no longer reschedule.
    pub(crate) reschedule_cutoff_minutes: i32,
    /// Ids of the form templates whose forms an appointment asks for, in their order. `appointment_from_template` and
    /// `appointment_forms_attach` create the forms; other bookings don't.
    pub(crate) form_template_ids: Vec<FormTemplateId>,
    /// Time of archiving; absent while the template can be booked.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for AppointmentTemplate {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let input = AppointmentTemplateInput::example();
        let reschedule_cutoff_minutes = input.reschedule_cutoff();
        Self {
            id: AppointmentTemplateId(5),
            name: input.name.into_inner(),
            slug: "first-examination".to_owned(),
            description: input.description.into_inner(),
            duration_minutes: input.duration_minutes,
            buffer_before_minutes: input.buffer_before_minutes,
            buffer_after_minutes: input.buffer_after_minutes,
            minimum_notice_minutes: input.minimum_notice_minutes,
            specialty_id: input.specialty_id,
            modality: input.modality,
            cancellation_cutoff_minutes: input.cancellation_cutoff_minutes,
            reschedule_cutoff_minutes,
            form_template_ids: input.form_template_ids,
            archived_at: None,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Values of an appointment template, for creating and replacing one. Booked appointments keep the values that they
/// were booked with.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AppointmentTemplateInput {
    /// Name of the template. It must not contain names of people, because calendars show it.
    pub(crate) name: Name<200>,
    /// Name in links, unique among the templates in use. If left out, a new template derives it from the name, and a
    /// replaced one keeps it.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// Description.
    #[oai(default)]
    pub(crate) description: Prose<0, 2000>,
    /// Duration of the appointment in minutes.
    #[oai(validator(minimum(value = "5"), maximum(value = "1440")))]
    pub(crate) duration_minutes: i32,
    /// Minutes that stay free before the appointment; if left out, the value of the specialist's schedule applies.
    #[oai(validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_before_minutes: Option<i32>,
    /// Minutes that stay free after the appointment; if left out, the value of the specialist's schedule applies.
    #[oai(validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_after_minutes: Option<i32>,
    /// Minimum notice of a booking in minutes before the start; if left out, the value of the specialist's schedule
    /// applies.
    #[oai(validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) minimum_notice_minutes: Option<i32>,
    /// Id of the specialty of the appointment; absent if it has none.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Form of the meeting of specialist and patient.
    pub(crate) modality: Modality,
    /// Minutes before the start from which on patients can no longer cancel.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) cancellation_cutoff_minutes: i32,
    /// Minutes before the start from which on patients can no longer reschedule; the same as
    /// `cancellation_cutoff_minutes` if left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) reschedule_cutoff_minutes: Option<i32>,
    /// Ids of form templates in use whose forms an appointment asks for, in their order; at most 20, each once. One
    /// that was archived after it was listed may stay; no form is created from it any more.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) form_template_ids: Vec<FormTemplateId>,
}

impl AppointmentTemplateInput {
    /// Returns the cut-off for rescheduling; if none is set, the one for cancelling.
    pub(super) fn reschedule_cutoff(&self) -> i32 {
        self.reschedule_cutoff_minutes.unwrap_or(self.cancellation_cutoff_minutes)
    }
}

impl Example for AppointmentTemplateInput {
    fn example() -> Self {
        Self {
            name: Name::from_static("First examination"),
            slug: None,
            description: Prose::from_static("Talk, examination, and a plan for the weeks to come."),
            duration_minutes: 45,
            buffer_before_minutes: None,
            buffer_after_minutes: Some(15),
            minimum_notice_minutes: Some(120),
            specialty_id: Some(SpecialtyId(3)),
            modality: Modality::InPerson,
            cancellation_cutoff_minutes: 1440,
            reschedule_cutoff_minutes: Some(720),
            form_template_ids: vec![FormTemplateId(9)],
        }
    }
}

/// Form of the meeting of specialist and patient.
///
/// - `in_person`: at the clinic
/// - `video`: by video call
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Modality {
    /// At the clinic.
    InPerson,
    /// By video call.
    Video,
}

/// Order of a list of appointment templates.
///
/// - `name`: by name, from A to Z
/// - `-name`: by name, from Z to A
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum AppointmentTemplateSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, descending.
    #[oai(rename = "-name")]
    NameDescending,
}
