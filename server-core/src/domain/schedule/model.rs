use poem_openapi::{Enum, Object, types::Example};

use crate::ids::SpecialistId;

/// When a specialist works and can be booked. Times are local to the specialist's zone.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SpecialistSchedule {
    /// The specialist.
    pub(crate) specialist_id: SpecialistId,
    /// The IANA zone of its times, as the specialist's entry says it.
    pub(crate) timezone: String,
    /// How many minutes lie between two beginnings, counted from midnight; what a slot takes without a template.
    pub(crate) slot_minutes: i32,
    /// How many minutes before a booking nothing else is booked.
    pub(crate) buffer_before_minutes: i32,
    /// How many minutes after a booking nothing else is booked.
    pub(crate) buffer_after_minutes: i32,
    /// How many minutes before its beginning a slot can last be booked.
    pub(crate) minimum_notice_minutes: i32,
    /// How many days after today slots are offered.
    pub(crate) horizon_days: i32,
    /// Most bookings that begin on one day; as many as fit when absent.
    pub(crate) daily_cap: Option<i32>,
    /// What it works every week, by weekday and time.
    pub(crate) hours: Vec<WorkingHours>,
    /// What it works besides and when it is away, by time.
    pub(crate) exceptions: Vec<ScheduleException>,
    /// Counts its changes; to be sent back with the next one.
    pub(crate) version: i64,
}

impl Example for SpecialistSchedule {
    fn example() -> Self {
        let input = UpdateSpecialistSchedule::example();
        Self {
            specialist_id: SpecialistId(8),
            timezone: "Europe/Berlin".to_owned(),
            slot_minutes: input.slot_minutes,
            buffer_before_minutes: input.buffer_before_minutes,
            buffer_after_minutes: input.buffer_after_minutes,
            minimum_notice_minutes: input.minimum_notice_minutes,
            horizon_days: input.horizon_days,
            daily_cap: input.daily_cap,
            hours: input.hours,
            exceptions: input.exceptions,
            version: input.version,
        }
    }
}

/// What a specialist's schedule is replaced by.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateSpecialistSchedule {
    /// The version this change was made from; 409 `stale_version` when there is a newer one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// How many minutes lie between two beginnings, counted from midnight; what a slot takes without a template.
    #[oai(validator(minimum(value = "5"), maximum(value = "480")))]
    pub(crate) slot_minutes: i32,
    /// How many minutes before a booking nothing else is booked.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_before_minutes: i32,
    /// How many minutes after a booking nothing else is booked.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_after_minutes: i32,
    /// How many minutes before its beginning a slot can last be booked.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) minimum_notice_minutes: i32,
    /// How many days after today slots are offered.
    #[oai(validator(minimum(value = "1"), maximum(value = "366")))]
    pub(crate) horizon_days: i32,
    /// Most bookings that begin on one day; as many as fit when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
    pub(crate) daily_cap: Option<i32>,
    /// What it works every week; windows that touch are one, none may overlap another.
    #[oai(validator(max_items = 50))]
    pub(crate) hours: Vec<WorkingHours>,
    /// What it works besides and when it is away.
    #[oai(default, validator(max_items = 500))]
    pub(crate) exceptions: Vec<ScheduleException>,
}

impl Example for UpdateSpecialistSchedule {
    fn example() -> Self {
        Self {
            version: 1,
            slot_minutes: 30,
            buffer_before_minutes: 0,
            buffer_after_minutes: 10,
            minimum_notice_minutes: 120,
            horizon_days: 60,
            daily_cap: Some(12),
            hours: vec![WorkingHours::example()],
            exceptions: vec![ScheduleException::example()],
        }
    }
}

/// A window of every week.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct WorkingHours {
    /// The day on which it begins: 1 is Monday, 7 is Sunday.
    #[oai(validator(minimum(value = "1"), maximum(value = "7")))]
    pub(crate) weekday: i16,
    /// When it begins, hours and minutes.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) starts_at: String,
    /// When it ends, hours and minutes. At or before the beginning it is of the next day, so `00:00` is midnight.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) ends_at: String,
}

impl Example for WorkingHours {
    fn example() -> Self {
        Self { weekday: 1, starts_at: "09:00".to_owned(), ends_at: "17:30".to_owned() }
    }
}

/// A period that the weekly hours don't hold for.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ScheduleException {
    /// What it does to the weekly hours.
    pub(crate) kind: ScheduleExceptionKind,
    /// When it begins, local date and time.
    #[oai(validator(pattern = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) starts_at: String,
    /// When it ends, local date and time; after its beginning, by at most 366 days.
    #[oai(validator(pattern = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) ends_at: String,
}

impl Example for ScheduleException {
    fn example() -> Self {
        Self {
            kind: ScheduleExceptionKind::Unavailable,
            starts_at: "2026-12-24T00:00".to_owned(),
            ends_at: "2026-12-27T00:00".to_owned(),
        }
    }
}

/// What an exception does to the weekly hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ScheduleExceptionKind {
    /// Adds to them.
    Available,
    /// Takes away; wins over what adds.
    Unavailable,
}
