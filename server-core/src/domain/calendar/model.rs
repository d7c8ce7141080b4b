use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use chrono_tz::Tz;
use poem_openapi::{Object, types::Example};
use server_shared::mark::ShownOnce;
use server_shared::value::Moment;
use uuid::Uuid;

use crate::{
    domain::{appointment::AppointmentStatus, appointment_template::Modality},
    ids::{AppointmentId, CalendarFeedId, PatientId, SpecialistId, SpecialtyId, UserId},
};

/// Appointments in a range, earliest first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Calendar {
    /// IANA time zone of the local times: the requested one, or the organization's.
    pub(crate) timezone: String,
    /// Appointments, earliest first.
    pub(crate) entries: Vec<CalendarEntry>,
}

impl Example for Calendar {
    fn example() -> Self {
        Self { timezone: "Europe/Berlin".to_owned(), entries: vec![CalendarEntry::example()] }
    }
}

/// Appointment in a calendar, without title and names.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CalendarEntry {
    /// Id of the appointment.
    pub(crate) id: AppointmentId,
    /// Random UUID of the appointment, for links and as `UID` in calendar feeds.
    pub(crate) uid: Uuid,
    /// Status of the appointment.
    pub(crate) status: AppointmentStatus,
    /// Form of the meeting of specialist and patient.
    pub(crate) modality: Modality,
    /// Id of the specialist who treats the patient.
    pub(crate) specialist_id: SpecialistId,
    /// Id of the patient who is treated.
    pub(crate) patient_id: PatientId,
    /// Id of the specialty of the appointment; absent if it has none.
    pub(crate) specialty: Option<CalendarSpecialty>,
    /// Start of the appointment.
    pub(crate) started_at: DateTime<Utc>,
    /// End of the appointment.
    pub(crate) ended_at: DateTime<Utc>,
    /// Start in the calendar's time zone, with the offset from UTC at that time.
    pub(crate) local_started_at: DateTime<FixedOffset>,
    /// End in the calendar's time zone, with the offset from UTC at that time.
    pub(crate) local_ended_at: DateTime<FixedOffset>,
}

impl Example for CalendarEntry {
    fn example() -> Self {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(9);
        let ended_at = started_at + TimeDelta::minutes(45);
        let local = |moment: DateTime<Utc>| moment.with_timezone(&Tz::Europe__Berlin).fixed_offset();
        Self {
            id: AppointmentId(41),
            uid: Uuid::from_u128(0x5f0c_7d3e_4a0b_4c6f_9a55_0d2b_6d1f_3c11),
            status: AppointmentStatus::Scheduled,
            modality: Modality::InPerson,
            specialist_id: SpecialistId(8),
            patient_id: PatientId(27),
            specialty: Some(CalendarSpecialty { id: SpecialtyId(3), name: "Physiotherapy".to_owned() }),
            started_at,
            ended_at,
            local_started_at: local(started_at),
            local_ended_at: local(ended_at),
        }
    }
}

/// Specialty of an appointment.
#[derive(Debug, Clone, Object)]
pub(crate) struct CalendarSpecialty {
    /// Id of the specialty.
    pub(crate) id: SpecialtyId,
    /// Name of the specialty.
    pub(crate) name: String,
}

/// Request to search a calendar.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SearchCalendar {
    /// Start of the range: selects appointments that end after it.
    pub(crate) from: Moment,
    /// End of the range, after `from` and at most 92 days after it: selects appointments that begin before it.
    pub(crate) to: Moment,
    /// Selects appointments of these specialists; of all specialists if empty.
    #[oai(default, validator(max_items = 100, unique_items))]
    pub(crate) specialist_ids: Vec<SpecialistId>,
    /// Selects appointments with one of these statuses; with any status but `held` and `expired` if empty.
    #[oai(default, validator(max_items = 8))]
    pub(crate) statuses: Vec<AppointmentStatus>,
    /// IANA time zone of the local times; the organization's if left out.
    #[oai(validator(min_length = 1, max_length = 100, pattern = "^[!-~]*$"))]
    pub(crate) timezone: Option<String>,
}

impl Example for SearchCalendar {
    fn example() -> Self {
        let from = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            from: Moment::nearest(from),
            to: Moment::nearest(from + TimeDelta::days(31)),
            specialist_ids: vec![SpecialistId(8), SpecialistId(9)],
            statuses: Vec::new(),
            timezone: Some("Europe/Berlin".to_owned()),
        }
    }
}

/// Calendar feed of a member. Calendar programs read it with its token.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CalendarFeed {
    /// Id of the feed, which stays the same when the token is replaced.
    pub(crate) id: CalendarFeedId,
    /// Id of the user whose appointments the feed contains.
    pub(crate) user_id: UserId,
    /// Time at which the current token was created.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for CalendarFeed {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self { id: CalendarFeedId(6), user_id: UserId(12), created_at }
    }
}

/// Calendar feed and its token.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CalendarFeedToken {
    /// Calendar feed.
    pub(crate) feed: CalendarFeed,
    /// Token for the link `/v1/calendar.ics?token=…`. Shown only once.
    pub(crate) token: ShownOnce<String>,
}

impl Example for CalendarFeedToken {
    fn example() -> Self {
        let token = ShownOnce::new("rxcal_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { feed: CalendarFeed::example(), token }
    }
}
