use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::{
    engine::{Busy, Exception, ExceptionKind, Hours, Offer, Schedule},
    model::{Offered, Terms},
};
use crate::{
    database::{DatabaseError, OpenReader, Tx},
    domain::appointment_template::Modality,
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, SpecialistId, SpecialtyId},
};

/// Row of `specialist_offer`. Lists are returned as one array per column.
struct OfferRow {
    timezone: String,
    bookable: bool,
    slot_minutes: i32,
    horizon_days: i32,
    daily_cap: Option<i32>,
    template_id: Option<i64>,
    duration_minutes: i32,
    buffer_before_minutes: i32,
    buffer_after_minutes: i32,
    minimum_notice_minutes: i32,
    specialty_id: Option<SpecialtyId>,
    modality: Modality,
    cancellation_cutoff_minutes: i32,
    reschedule_cutoff_minutes: i32,
    hours_weekdays: Vec<i16>,
    hours_starts: Vec<NaiveTime>,
    hours_ends: Vec<NaiveTime>,
    exception_kinds: Vec<String>,
    exception_starts: Vec<NaiveDateTime>,
    exception_ends: Vec<NaiveDateTime>,
    block_starts: Vec<DateTime<Utc>>,
    block_ends: Vec<DateTime<Utc>>,
    booked_starts: Vec<DateTime<Utc>>,
}

/// Returns the schedule of a specialist, the terms of a template and the bookings from `from` to `to`, in one
/// statement. Returns `None` if the specialist does not exist.
pub(super) async fn offer_get(
    reader: &mut OpenReader,
    id: SpecialistId,
    template: Option<AppointmentTemplateId>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Option<Offered>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        OfferRow,
        r#"
        select o.timezone as "timezone!", o.bookable as "bookable!", o.slot_minutes as "slot_minutes!",
               o.horizon_days as "horizon_days!", o.daily_cap, o.template_id, o.duration_minutes as "duration_minutes!",
               o.buffer_before_minutes as "buffer_before_minutes!", o.buffer_after_minutes as "buffer_after_minutes!",
               o.minimum_notice_minutes as "minimum_notice_minutes!", o.specialty_id as "specialty_id: SpecialtyId",
               o.modality as "modality!: Modality", o.cancellation_cutoff_minutes as "cancellation_cutoff_minutes!",
               o.reschedule_cutoff_minutes as "reschedule_cutoff_minutes!", o.hours_weekdays as "hours_weekdays!",
               o.hours_starts as "hours_starts!", o.hours_ends as "hours_ends!", o.exception_kinds as "exception_kinds!",
               o.exception_starts as "exception_starts!", o.exception_ends as "exception_ends!",
               o.block_starts as "block_starts!", o.block_ends as "block_ends!", o.booked_starts as "booked_starts!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from specialist_offer($2, $6, $7, $8, $9) where ctx offset 0) o
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id.0,
        template.map(|id| id.0),
        from,
        to
    )
    .fetch_optional(connection)
    .await?;
    row.map(OfferRow::offered).transpose()
}

/// Returns the same as [`offer_get`], within a transaction and without the appointment `besides`.
pub(super) async fn offer_get_besides(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    template: Option<AppointmentTemplateId>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    besides: Option<AppointmentId>,
) -> Result<Option<Offered>, DatabaseError> {
    let row = sqlx::query_as!(
        OfferRow,
        r#"
        select o.timezone as "timezone!", o.bookable as "bookable!", o.slot_minutes as "slot_minutes!",
               o.horizon_days as "horizon_days!", o.daily_cap, o.template_id, o.duration_minutes as "duration_minutes!",
               o.buffer_before_minutes as "buffer_before_minutes!", o.buffer_after_minutes as "buffer_after_minutes!",
               o.minimum_notice_minutes as "minimum_notice_minutes!", o.specialty_id as "specialty_id: SpecialtyId",
               o.modality as "modality!: Modality", o.cancellation_cutoff_minutes as "cancellation_cutoff_minutes!",
               o.reschedule_cutoff_minutes as "reschedule_cutoff_minutes!", o.hours_weekdays as "hours_weekdays!",
               o.hours_starts as "hours_starts!", o.hours_ends as "hours_ends!", o.exception_kinds as "exception_kinds!",
               o.exception_starts as "exception_starts!", o.exception_ends as "exception_ends!",
               o.block_starts as "block_starts!", o.block_ends as "block_ends!", o.booked_starts as "booked_starts!"
        from specialist_offer($1, $2, $3, $4, $5, $6) o
        "#,
        organization.0,
        id.0,
        template.map(|id| id.0),
        from,
        to,
        besides.map(|id| id.0)
    )
    .fetch_optional(tx.connection()?)
    .await?;
    row.map(OfferRow::offered).transpose()
}

impl OfferRow {
    fn offered(self) -> Result<Offered, DatabaseError> {
        let minutes = |minutes: i32| TimeDelta::minutes(minutes.into());
        let schedule = Schedule {
            zone: self.timezone.parse::<Tz>().map_err(|_| damaged("a specialist's timezone"))?,
            slot_minutes: count(self.slot_minutes)?,
            horizon_days: count(self.horizon_days)?,
            daily_cap: self.daily_cap.map(count).transpose()?,
            hours: hours(&self.hours_weekdays, &self.hours_starts, &self.hours_ends)?,
            exceptions: exceptions(&self.exception_kinds, &self.exception_starts, &self.exception_ends)?,
        };
        let offer = Offer {
            duration: minutes(self.duration_minutes),
            buffer_before: minutes(self.buffer_before_minutes),
            buffer_after: minutes(self.buffer_after_minutes),
            notice: minutes(self.minimum_notice_minutes),
        };
        let terms = Terms {
            specialty_id: self.specialty_id,
            modality: self.modality,
            cancellation_cutoff_minutes: self.cancellation_cutoff_minutes,
            reschedule_cutoff_minutes: self.reschedule_cutoff_minutes,
        };
        let blocks = self.block_starts.into_iter().zip(self.block_ends);
        let busy = blocks
            .zip(self.booked_starts)
            .map(|((start, end), booked_at)| Busy { block: start..end, booked_at })
            .collect();
        let (bookable, template) = (self.bookable, self.template_id.map(AppointmentTemplateId));
        Ok(Offered { bookable, template, schedule, offer, terms, busy })
    }
}

fn hours(weekdays: &[i16], starts: &[NaiveTime], ends: &[NaiveTime]) -> Result<Vec<Hours>, DatabaseError> {
    let windows = weekdays.iter().zip(starts).zip(ends);
    windows
        .map(|((weekday, &starts_at), &ends_at)| {
            // ISO 8601 counts from 1, chrono from 0.
            let weekday = u8::try_from(weekday - 1).ok().and_then(|weekday| Weekday::try_from(weekday).ok());
            let weekday = weekday.ok_or_else(|| damaged("a weekday"))?;
            Ok(Hours { weekday, starts_at, ends_at })
        })
        .collect()
}

fn exceptions(
    kinds: &[String],
    starts: &[NaiveDateTime],
    ends: &[NaiveDateTime],
) -> Result<Vec<Exception>, DatabaseError> {
    let periods = kinds.iter().zip(starts).zip(ends);
    periods
        .map(|((kind, &starts_at), &ends_at)| {
            let kind = match kind.as_str() {
                "available" => ExceptionKind::Available,
                "unavailable" => ExceptionKind::Unavailable,
                _ => return Err(damaged("the kind of an exception")),
            };
            Ok(Exception { kind, starts_at, ends_at })
        })
        .collect()
}

fn count(number: i32) -> Result<u32, DatabaseError> {
    u32::try_from(number).map_err(|_| damaged("a count of a specialist's schedule"))
}

fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Damaged(format!("{what} is invalid"))
}
