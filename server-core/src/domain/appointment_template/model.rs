use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

use crate::ids::{AppointmentTemplateId, SpecialtyId};

/// A kind of appointment that a clinic offers.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AppointmentTemplate {
    /// Its id.
    pub(crate) id: AppointmentTemplateId,
    /// What it is called.
    pub(crate) name: String,
    /// Its name in links, unique among those in use.
    pub(crate) slug: String,
    /// What it is about.
    pub(crate) description: String,
    /// How many minutes it takes.
    pub(crate) duration_minutes: i32,
    /// How many minutes before it nothing else is booked; the specialist's own when absent.
    pub(crate) buffer_before_minutes: Option<i32>,
    /// How many minutes after it nothing else is booked; the specialist's own when absent.
    pub(crate) buffer_after_minutes: Option<i32>,
    /// How many minutes before its beginning it can last be booked; the specialist's own when absent.
    pub(crate) minimum_notice_minutes: Option<i32>,
    /// In which specialty, if in one.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// How specialist and patient meet.
    pub(crate) modality: Modality,
    /// How many minutes before its beginning a patient can last cancel it.
    pub(crate) cancellation_cutoff_minutes: i32,
    /// How many minutes before its beginning a patient can last move it.
    pub(crate) reschedule_cutoff_minutes: i32,
    /// When it was archived; absent while it can be booked.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for AppointmentTemplate {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let input = AppointmentTemplateInput::example();
        let reschedule_cutoff_minutes = input.reschedule_cutoff();
        Self {
            id: AppointmentTemplateId(5),
            name: input.name,
            slug: "first-examination".to_owned(),
            description: input.description,
            duration_minutes: input.duration_minutes,
            buffer_before_minutes: input.buffer_before_minutes,
            buffer_after_minutes: input.buffer_after_minutes,
            minimum_notice_minutes: input.minimum_notice_minutes,
            specialty_id: input.specialty_id,
            modality: input.modality,
            cancellation_cutoff_minutes: input.cancellation_cutoff_minutes,
            reschedule_cutoff_minutes,
            archived_at: None,
            created_at,
            updated_at: created_at,
        }
    }
}

/// What an appointment template is created from or replaced by. Appointments that are booked keep what
/// they were booked with.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AppointmentTemplateInput {
    /// What it is called; no names of people: it is shown in calendars.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) name: String,
    /// Its name in links, unique among those in use. Left out, it is made from the name when the template is
    /// created, and stays when it is replaced.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// What it is about.
    #[oai(default, validator(max_length = 2000))]
    pub(crate) description: String,
    /// How many minutes it takes.
    #[oai(validator(minimum(value = "5"), maximum(value = "1440")))]
    pub(crate) duration_minutes: i32,
    /// How many minutes before it nothing else is booked; the specialist's own when left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_before_minutes: Option<i32>,
    /// How many minutes after it nothing else is booked; the specialist's own when left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_after_minutes: Option<i32>,
    /// How many minutes before its beginning it can last be booked; the specialist's own when left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) minimum_notice_minutes: Option<i32>,
    /// In which specialty, if in one.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// How specialist and patient meet.
    pub(crate) modality: Modality,
    /// How many minutes before its beginning a patient can last cancel it.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) cancellation_cutoff_minutes: i32,
    /// Minutes before its beginning up to which a patient can move it; as `cancellation_cutoff_minutes` when left out.
    #[oai(validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) reschedule_cutoff_minutes: Option<i32>,
}

impl AppointmentTemplateInput {
    /// Returns the cut-off of moves: without one of its own, that of cancellations.
    pub(super) fn reschedule_cutoff(&self) -> i32 {
        self.reschedule_cutoff_minutes.unwrap_or(self.cancellation_cutoff_minutes)
    }
}

impl Example for AppointmentTemplateInput {
    fn example() -> Self {
        Self {
            name: "First examination".to_owned(),
            slug: None,
            description: "Talk, examination, and a plan for the weeks to come.".to_owned(),
            duration_minutes: 45,
            buffer_before_minutes: None,
            buffer_after_minutes: Some(15),
            minimum_notice_minutes: Some(120),
            specialty_id: Some(SpecialtyId(3)),
            modality: Modality::InPerson,
            cancellation_cutoff_minutes: 1440,
            reschedule_cutoff_minutes: Some(720),
        }
    }
}

/// How specialist and patient meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Modality {
    /// At the clinic.
    InPerson,
    /// By video.
    Video,
}

/// Order of a list of appointment templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum AppointmentTemplateSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, last first.
    #[oai(rename = "-name")]
    NameDescending,
}
