use chrono::{NaiveDateTime, NaiveTime};

use super::{
    model::{ScheduleExceptionKind, SpecialistSchedule, UpdateSpecialistSchedule},
    rules::{LocalPeriod, WeeklyWindow},
};
use crate::{
    database::{DatabaseError, OpenReader, Tx},
    ids::{OrganizationId, SpecialistId},
};

/// Specialist with its schedule. Lists are returned as one array per column.
pub(super) struct ScheduleRow {
    pub(super) id: SpecialistId,
    pub(super) timezone: String,
    pub(super) slot_minutes: i32,
    pub(super) buffer_before_minutes: i32,
    pub(super) buffer_after_minutes: i32,
    pub(super) minimum_notice_minutes: i32,
    pub(super) horizon_days: i32,
    pub(super) daily_cap: Option<i32>,
    pub(super) version: i64,
    weekdays: Vec<i16>,
    hours_starts: Vec<NaiveTime>,
    hours_ends: Vec<NaiveTime>,
    absences: Vec<bool>,
    exception_starts: Vec<NaiveDateTime>,
    exception_ends: Vec<NaiveDateTime>,
}

impl ScheduleRow {
    /// Returns the weekly windows, ordered.
    pub(super) fn windows(&self) -> Vec<WeeklyWindow> {
        let times = self.hours_starts.iter().zip(&self.hours_ends);
        let windows = self.weekdays.iter().zip(times);
        windows.map(|(&weekday, (&starts_at, &ends_at))| WeeklyWindow { weekday, starts_at, ends_at }).collect()
    }

    /// Returns the exceptions, ordered.
    pub(super) fn periods(&self) -> Vec<LocalPeriod> {
        let times = self.exception_starts.iter().zip(&self.exception_ends);
        let periods = self.absences.iter().zip(times);
        periods
            .map(|(&absence, (&starts_at, &ends_at))| {
                let kind = if absence { ScheduleExceptionKind::Unavailable } else { ScheduleExceptionKind::Available };
                LocalPeriod { kind, starts_at, ends_at }
            })
            .collect()
    }
}

impl From<ScheduleRow> for SpecialistSchedule {
    fn from(row: ScheduleRow) -> Self {
        Self {
            hours: row.windows().into_iter().map(Into::into).collect(),
            exceptions: row.periods().into_iter().map(Into::into).collect(),
            specialist_id: row.id,
            timezone: row.timezone,
            slot_minutes: row.slot_minutes,
            buffer_before_minutes: row.buffer_before_minutes,
            buffer_after_minutes: row.buffer_after_minutes,
            minimum_notice_minutes: row.minimum_notice_minutes,
            horizon_days: row.horizon_days,
            daily_cap: row.daily_cap,
            version: row.version,
        }
    }
}

pub(super) async fn schedule_get(
    reader: &mut OpenReader,
    id: SpecialistId,
) -> Result<Option<ScheduleRow>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        ScheduleRow,
        r#"
        select s.id as "id: SpecialistId", s.timezone, s.slot_minutes, s.buffer_before_minutes, s.buffer_after_minutes,
               s.minimum_notice_minutes, s.horizon_days, s.daily_cap, s.schedule_version as version,
               s.weekdays as "weekdays!", s.hours_starts as "hours_starts!", s.hours_ends as "hours_ends!",
               s.absences as "absences!", s.exception_starts as "exception_starts!",
               s.exception_ends as "exception_ends!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select s.*, h.weekdays, h.starts as hours_starts, h.ends as hours_ends,
                   x.absences, x.starts as exception_starts, x.ends as exception_ends
            from specialists s
            cross join lateral (
                select coalesce(array_agg(w.weekday order by w.weekday, w.starts_at), '{}') as weekdays,
                       coalesce(array_agg(w.starts_at order by w.weekday, w.starts_at), '{}') as starts,
                       coalesce(array_agg(w.ends_at order by w.weekday, w.starts_at), '{}') as ends
                from specialist_hours w where w.organization_id = s.organization_id and w.specialist_id = s.id
            ) h
            cross join lateral (
                select coalesce(array_agg(e.kind = 'unavailable' order by e.starts_at, e.ends_at, e.id), '{}') as absences,
                       coalesce(array_agg(e.starts_at order by e.starts_at, e.ends_at, e.id), '{}') as starts,
                       coalesce(array_agg(e.ends_at order by e.starts_at, e.ends_at, e.id), '{}') as ends
                from specialist_exceptions e where e.organization_id = s.organization_id and e.specialist_id = s.id
            ) x
            where s.id = $6 and s.deleted_at is null and ctx offset 0
        ) s
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Locks a specialist that the caller may change; returns it with its schedule.
pub(super) async fn schedule_lock(tx: &mut impl Tx, id: SpecialistId) -> Result<Option<ScheduleRow>, DatabaseError> {
    let row = sqlx::query_as!(
        ScheduleRow,
        r#"
        with locked as (
            select * from specialists where id = $1 and deleted_at is null for update
        )
        select s.id as "id: SpecialistId", s.timezone, s.slot_minutes, s.buffer_before_minutes, s.buffer_after_minutes,
               s.minimum_notice_minutes, s.horizon_days, s.daily_cap, s.schedule_version as version,
               h.weekdays as "weekdays!", h.starts as "hours_starts!", h.ends as "hours_ends!",
               x.absences as "absences!", x.starts as "exception_starts!", x.ends as "exception_ends!"
        from locked s
        cross join lateral (
            select coalesce(array_agg(w.weekday order by w.weekday, w.starts_at), '{}') as weekdays,
                   coalesce(array_agg(w.starts_at order by w.weekday, w.starts_at), '{}') as starts,
                   coalesce(array_agg(w.ends_at order by w.weekday, w.starts_at), '{}') as ends
            from specialist_hours w where w.organization_id = s.organization_id and w.specialist_id = s.id
        ) h
        cross join lateral (
            select coalesce(array_agg(e.kind = 'unavailable' order by e.starts_at, e.ends_at, e.id), '{}') as absences,
                   coalesce(array_agg(e.starts_at order by e.starts_at, e.ends_at, e.id), '{}') as starts,
                   coalesce(array_agg(e.ends_at order by e.starts_at, e.ends_at, e.id), '{}') as ends
            from specialist_exceptions e where e.organization_id = s.organization_id and e.specialist_id = s.id
        ) x
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Replaces the whole schedule; returns its new version.
pub(super) async fn schedule_update(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    input: &UpdateSpecialistSchedule,
    windows: &[WeeklyWindow],
    periods: &[LocalPeriod],
) -> Result<i64, DatabaseError> {
    let version = sqlx::query_scalar!(
        r#"
        update specialists
        set slot_minutes = $2, buffer_before_minutes = $3, buffer_after_minutes = $4, minimum_notice_minutes = $5,
            horizon_days = $6, daily_cap = $7, schedule_version = schedule_version + 1
        where id = $1
        returning schedule_version
        "#,
        id.0,
        input.slot_minutes,
        input.buffer_before_minutes,
        input.buffer_after_minutes,
        input.minimum_notice_minutes,
        input.horizon_days,
        input.daily_cap
    )
    .fetch_one(tx.connection()?)
    .await?;
    hours_set(tx, organization, id, windows).await?;
    exceptions_set(tx, organization, id, periods).await?;
    Ok(version)
}

async fn hours_set(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    windows: &[WeeklyWindow],
) -> Result<(), DatabaseError> {
    let weekdays: Vec<i16> = windows.iter().map(|window| window.weekday).collect();
    let starts: Vec<NaiveTime> = windows.iter().map(|window| window.starts_at).collect();
    let ends: Vec<NaiveTime> = windows.iter().map(|window| window.ends_at).collect();
    sqlx::query!(
        "delete from specialist_hours where organization_id = $1 and specialist_id = $2",
        organization.0,
        id.0
    )
    .execute(tx.connection()?)
    .await?;
    sqlx::query!(
        r#"
        insert into specialist_hours (organization_id, specialist_id, weekday, starts_at, ends_at)
        select $1, $2, weekday, starts_at, ends_at
        from unnest($3::smallint[], $4::time[], $5::time[]) as w (weekday, starts_at, ends_at)
        "#,
        organization.0,
        id.0,
        &weekdays,
        &starts,
        &ends
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

async fn exceptions_set(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialistId,
    periods: &[LocalPeriod],
) -> Result<(), DatabaseError> {
    let absences: Vec<bool> = periods.iter().map(|period| period.kind == ScheduleExceptionKind::Unavailable).collect();
    let starts: Vec<NaiveDateTime> = periods.iter().map(|period| period.starts_at).collect();
    let ends: Vec<NaiveDateTime> = periods.iter().map(|period| period.ends_at).collect();
    sqlx::query!(
        "delete from specialist_exceptions where organization_id = $1 and specialist_id = $2",
        organization.0,
        id.0
    )
    .execute(tx.connection()?)
    .await?;
    sqlx::query!(
        r#"
        insert into specialist_exceptions (organization_id, specialist_id, kind, starts_at, ends_at)
        select $1, $2, case when absent then 'unavailable' else 'available' end, starts_at, ends_at
        from unnest($3::boolean[], $4::timestamp[], $5::timestamp[]) as e (absent, starts_at, ends_at)
        "#,
        organization.0,
        id.0,
        &absences,
        &starts,
        &ends
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}
