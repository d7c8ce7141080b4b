use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use chrono_tz::Tz;
use poem_openapi::{Object, types::Example};
use server_shared::mark::ShownOnce;
use uuid::Uuid;

use crate::{
    domain::{appointment::AppointmentStatus, appointment_template::Modality},
    ids::{AppointmentId, CalendarFeedId, PatientId, SpecialistId, SpecialtyId, UserId},
};

/// The appointments in a stretch of time, earliest first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Calendar {
    /// The IANA zone of the local times: the one asked for, or the organization's.
    pub(crate) timezone: String,
    /// The appointments.
    pub(crate) entries: Vec<CalendarEntry>,
}

impl Example for Calendar {
    fn example() -> Self {
        Self { timezone: "Europe/Berlin".to_owned(), entries: vec![CalendarEntry::example()] }
    }
}

/// An appointment as a calendar shows it: no title and no name.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CalendarEntry {
    /// Id of the appointment.
    pub(crate) id: AppointmentId,
    /// Name of the appointment in links and in feeds.
    pub(crate) uid: Uuid,
    /// Where it stands.
    pub(crate) status: AppointmentStatus,
    /// How specialist and patient meet.
    pub(crate) modality: Modality,
    /// Who treats.
    pub(crate) specialist_id: SpecialistId,
    /// Who is treated.
    pub(crate) patient_id: PatientId,
    /// In which specialty, if that was said.
    pub(crate) specialty: Option<CalendarSpecialty>,
    /// When it begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
    pub(crate) ended_at: DateTime<Utc>,
    /// When it begins, as a clock in the calendar's zone shows it, with the offset of that moment.
    pub(crate) local_started_at: DateTime<FixedOffset>,
    /// When it ends, likewise.
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

/// The specialty of an appointment.
#[derive(Debug, Clone, Object)]
pub(crate) struct CalendarSpecialty {
    /// Its id.
    pub(crate) id: SpecialtyId,
    /// Its name.
    pub(crate) name: String,
}

/// Which appointments to show.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SearchCalendar {
    /// Those that end after this moment.
    pub(crate) from: DateTime<Utc>,
    /// Those that begin before this moment, at most 92 days after `from`.
    pub(crate) to: DateTime<Utc>,
    /// Those of these specialists; of all when empty.
    #[oai(default, validator(max_items = 100, unique_items))]
    pub(crate) specialist_ids: Vec<SpecialistId>,
    /// Those in these states; in all but `held` and `expired` when empty.
    #[oai(default, validator(max_items = 8))]
    pub(crate) statuses: Vec<AppointmentStatus>,
    /// The IANA zone of local times; the organization's when left out.
    #[oai(validator(min_length = 1, max_length = 100, pattern = "^[!-~]*$"))]
    pub(crate) timezone: Option<String>,
}

impl Example for SearchCalendar {
    fn example() -> Self {
        let from = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            from,
            to: from + TimeDelta::days(31),
            specialist_ids: vec![SpecialistId(8), SpecialistId(9)],
            statuses: Vec::new(),
            timezone: Some("Europe/Berlin".to_owned()),
        }
    }
}

/// A member's calendar, open to whoever has its token.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CalendarFeed {
    /// Its id; stays when the token is replaced.
    pub(crate) id: CalendarFeedId,
    /// Whose appointments it shows.
    pub(crate) user_id: UserId,
    /// When its token was made.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for CalendarFeed {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self { id: CalendarFeedId(6), user_id: UserId(12), created_at }
    }
}

/// A calendar feed and the token to read it with.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CalendarFeedToken {
    /// The feed.
    pub(crate) feed: CalendarFeed,
    /// To be put into the link `/v1/calendar.ics?token=…`. This is the only time it is shown.
    pub(crate) token: ShownOnce<String>,
}

impl Example for CalendarFeedToken {
    fn example() -> Self {
        let token = ShownOnce::new("rxcal_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { feed: CalendarFeed::example(), token }
    }
}
