use poem_openapi::{Enum, Object, types::Example};

use crate::ids::SpecialistId;

/// Working hours and booking rules of a specialist. Times are local to the specialist's time zone.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SpecialistSchedule {
    /// Id of the specialist.
    pub(crate) specialist_id: SpecialistId,
    /// IANA time zone of the local times; the time zone of the specialist's record.
    pub(crate) timezone: String,
    /// Minutes from the start of one slot to the start of the next, counted from local midnight; also the duration of a
    /// slot that is booked without a template.
    pub(crate) slot_minutes: i32,
    /// Minutes that stay free before an appointment.
    pub(crate) buffer_before_minutes: i32,
    /// Minutes that stay free after an appointment.
    pub(crate) buffer_after_minutes: i32,
    /// Minimum notice of a booking in minutes before the start of the slot.
    pub(crate) minimum_notice_minutes: i32,
    /// Number of days after today, in the specialist's time zone, on which slots are offered.
    pub(crate) horizon_days: i32,
    /// Maximum number of bookings that start on one day in the specialist's time zone; a day that has reached it has no
    /// open slots. Absent if unlimited.
    pub(crate) daily_cap: Option<i32>,
    /// Weekly working hours, ordered by weekday and time.
    pub(crate) hours: Vec<WorkingHours>,
    /// Additional working hours and absences, ordered by time.
    pub(crate) exceptions: Vec<ScheduleException>,
    /// Version of the schedule, to be sent with the next change; increases with each change.
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

/// Request to replace a schedule.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateSpecialistSchedule {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Minutes from the start of one slot to the start of the next, counted from local midnight; also the duration of a
    /// slot that is booked without a template.
    #[oai(validator(minimum(value = "5"), maximum(value = "480")))]
    pub(crate) slot_minutes: i32,
    /// Minutes that stay free before an appointment.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_before_minutes: i32,
    /// Minutes that stay free after an appointment.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "240")))]
    pub(crate) buffer_after_minutes: i32,
    /// Minimum notice of a booking in minutes before the start of the slot.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "43200")))]
    pub(crate) minimum_notice_minutes: i32,
    /// Number of days after today, in the specialist's time zone, on which slots are offered.
    #[oai(validator(minimum(value = "1"), maximum(value = "366")))]
    pub(crate) horizon_days: i32,
    /// Maximum number of bookings that start on one day in the specialist's time zone; a day that has reached it has no
    /// open slots. Unlimited if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
    pub(crate) daily_cap: Option<i32>,
    /// Weekly working hours. Windows that touch count as one; windows must not overlap.
    #[oai(validator(max_items = 50))]
    pub(crate) hours: Vec<WorkingHours>,
    /// Additional working hours and absences.
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

/// Weekly window of working hours.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct WorkingHours {
    /// Day of the week on which the window starts: 1 is Monday, 7 is Sunday.
    #[oai(validator(minimum(value = "1"), maximum(value = "7")))]
    pub(crate) weekday: i16,
    /// Local time of the start, e.g. `09:00`.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) starts_at: String,
    /// Local time of the end, e.g. `17:30`. A time at or before the start is on the next day, so `00:00` is the
    /// midnight that ends the day.
    #[oai(validator(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) ends_at: String,
}

impl Example for WorkingHours {
    fn example() -> Self {
        Self { weekday: 1, starts_at: "09:00".to_owned(), ends_at: "17:30".to_owned() }
    }
}

/// Period in which the working hours differ from the weekly ones.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ScheduleException {
    /// Effect on the weekly hours.
    pub(crate) kind: ScheduleExceptionKind,
    /// Start, as local date and time without an offset.
    #[oai(validator(pattern = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub(crate) starts_at: String,
    /// End, as local date and time without an offset; after the start and at most 366 days after it.
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

/// Effect of an exception on the weekly hours.
///
/// - `available`: adds working hours
/// - `unavailable`: removes working hours; takes precedence over `available`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ScheduleExceptionKind {
    Available,
    Unavailable,
}
