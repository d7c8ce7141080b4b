use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    super::{
        columns::{appointment_query, state_query},
        error::AppointmentError,
        model::Appointment,
        repository::on_overlap,
        row::AppointmentRow,
        transition::AppointmentState,
    },
    model::{AppointmentSeries, CreateAppointmentSeries},
    recurrence::{Recurrence, RecurrenceFrequency},
};
use crate::{
    database::{DatabaseError, OpenReader, Tx, one_row},
    domain::{availability::OpenSlot, period::Period},
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId,
        SpecialtyId, UserId,
    },
};

/// Series as stored, without its appointments.
#[derive(Debug)]
pub(super) struct SeriesRow {
    pub(super) id: AppointmentSeriesId,
    pub(super) organization_id: OrganizationId,
    pub(super) patient_id: PatientId,
    pub(super) specialist_id: SpecialistId,
    pub(super) appointment_template_id: Option<AppointmentTemplateId>,
    pub(super) user_id: Option<UserId>,
    pub(super) uid: Uuid,
    /// Title in clear text, if written before titles were sealed; else empty.
    pub(super) title: String,
    /// Sealed title; `None` if it has none.
    pub(super) title_encrypted: Option<Vec<u8>>,
    pub(super) timezone: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) frequency: RecurrenceFrequency,
    pub(super) step: i32,
    pub(super) weekdays: Vec<i16>,
    pub(super) occurrences: Option<i32>,
    pub(super) until: Option<NaiveDate>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl SeriesRow {
    /// Returns the series with its opened title and its appointments.
    pub(super) fn with(self, title: String, mut appointments: Vec<Appointment>) -> AppointmentSeries {
        appointments.sort_unstable_by_key(|appointment| (appointment.started_at, appointment.id));
        AppointmentSeries {
            id: self.id,
            organization_id: self.organization_id,
            title,
            specialist_id: self.specialist_id,
            patient_id: self.patient_id,
            appointment_template_id: self.appointment_template_id,
            user_id: self.user_id,
            timezone: self.timezone,
            started_at: self.started_at,
            ended_at: self.ended_at,
            recurrence: Recurrence {
                frequency: self.frequency,
                interval: self.step,
                weekdays: self.weekdays,
                count: self.occurrences,
                until: self.until,
            },
            appointments,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Builds a checked query that returns series: the SQL before the columns, the SQL after them, and the arguments. The
/// alias of the table is `s`.
macro_rules! series_query {
    ($before:literal, $after:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            SeriesRow,
            $before
                + r#"
        s.id as "id: AppointmentSeriesId", s.organization_id as "organization_id: OrganizationId",
        s.patient_id as "patient_id: PatientId", s.specialist_id as "specialist_id: SpecialistId",
        s.appointment_template_id as "appointment_template_id: AppointmentTemplateId", s.user_id as "user_id: UserId",
        s.uid, s.title, s.title_encrypted, s.timezone, s.started_at, s.ended_at, s.frequency as "frequency: RecurrenceFrequency", s.step,
        s.weekdays, s.occurrences, s.until, s.version + appointment_series_changes(s.id) as "version!", s.created_at,
        s.updated_at
        "#
                + $after,
            $($arguments)*
        )
    };
}

/// Returns a series with those of its appointments that the caller may see.
pub(super) async fn series_get(
    reader: &mut OpenReader,
    id: AppointmentSeriesId,
) -> Result<Option<(SeriesRow, Vec<AppointmentRow>)>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = series_query!(
        "select",
        r#"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from appointment_series where id = $6 and ctx offset 0) s
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
    let Some(row) = row else { return Ok(None) };
    let (connection, _) = reader.parts();
    let appointments = appointment_query!(
        "select",
        r#"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select * from appointments
            where organization_id = $2 and appointment_series_id = $6 and deleted_at is null and ctx offset 0
        ) a
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id.0
    )
    .fetch_all(connection)
    .await?;
    Ok(Some((row, appointments)))
}

/// Locks a series against other changes.
pub(super) async fn series_lock(tx: &mut impl Tx, id: AppointmentSeriesId) -> Result<Option<SeriesRow>, DatabaseError> {
    let row = series_query!("select", "from appointment_series s where s.id = $1 for update", id.0)
        .fetch_optional(tx.connection()?)
        .await?;
    Ok(row)
}

/// Locks those appointments of a series that the caller may see; returns their states.
pub(super) async fn states_lock(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: AppointmentSeriesId,
) -> Result<Vec<AppointmentState>, DatabaseError> {
    let rows = state_query!("organization_id = $1 and appointment_series_id = $2", organization.0, id.0)
        .fetch_all(tx.connection()?)
        .await?;
    Ok(rows)
}

/// Returns the series and its appointments, changes of the transaction included.
pub(super) async fn series_read(
    tx: &mut impl Tx,
    id: AppointmentSeriesId,
) -> Result<(SeriesRow, Vec<AppointmentRow>), DatabaseError> {
    let row =
        series_query!("select", "from appointment_series s where s.id = $1", id.0).fetch_one(tx.connection()?).await?;
    let appointments = appointment_query!(
        "select",
        "from appointments a where a.organization_id = $1 and a.appointment_series_id = $2 and a.deleted_at is null",
        row.organization_id.0,
        id.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok((row, appointments))
}

/// Returns the times that appointments of a patient block within a range, with any specialist. The caller holds the
/// patient's lock.
pub(super) async fn patient_blocks(
    tx: &mut impl Tx,
    patient: PatientId,
    within: &Range<DateTime<Utc>>,
) -> Result<Vec<Period>, DatabaseError> {
    let blocks = sqlx::query_as!(
        Period,
        r#"select lower(b) as "start!", upper(b) as "end!" from patient_blocks($1, $2, $3) b"#,
        patient.0,
        within.start,
        within.end
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(blocks)
}

/// Returns `true` if the patient exists and the caller may see it.
pub(super) async fn patient_is_there(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: PatientId,
) -> Result<bool, DatabaseError> {
    let there = sqlx::query_scalar!(
        r#"select exists(select from patients where organization_id = $1 and id = $2 and deleted_at is null) as "there!""#,
        organization.0,
        id.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(there)
}

/// Returns `true` if the specialty exists and is not archived.
pub(super) async fn specialty_is_in_use(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialtyId,
) -> Result<bool, DatabaseError> {
    let there = sqlx::query_scalar!(
        r#"select exists(select from specialties where organization_id = $1 and id = $2 and archived_at is null) as "there!""#,
        organization.0,
        id.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(there)
}

/// Inserts a series without its appointments. The title is sealed and bound to `uid`.
pub(super) async fn series_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    (uid, title): (Uuid, Option<&[u8]>),
    input: &CreateAppointmentSeries,
    timezone: &str,
    ended_at: DateTime<Utc>,
) -> Result<AppointmentSeriesId, DatabaseError> {
    let Recurrence { frequency, interval, weekdays, count, until } = &input.recurrence;
    let id = sqlx::query_scalar!(
        r#"
        insert into appointment_series (organization_id, patient_id, specialist_id, appointment_template_id, user_id,
                                        title_encrypted, timezone, started_at, ended_at, frequency, step, weekdays,
                                        occurrences, until, uid)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        returning id as "id: AppointmentSeriesId"
        "#,
        organization.0,
        input.patient_id.0,
        input.specialist_id.0,
        input.template_id.map(|id| id.0),
        user.map(|id| id.0),
        title,
        timezone,
        input.started_at.get(),
        ended_at,
        *frequency as RecurrenceFrequency,
        interval,
        weekdays,
        *count,
        *until,
        uid
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(id)
}

/// Inserts the appointments of a series in one statement, with the terms of their slots. The titles are sealed, each
/// bound to its uid.
pub(super) async fn appointments_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    id: AppointmentSeriesId,
    input: &CreateAppointmentSeries,
    slots: &[OpenSlot],
    named: &[(Uuid, Option<Vec<u8>>)],
) -> Result<Vec<AppointmentRow>, AppointmentError> {
    let Some(terms) = slots.first() else { return Ok(Vec::new()) };
    let times = |of: fn(&OpenSlot) -> DateTime<Utc>| slots.iter().map(of).collect::<Vec<_>>();
    let uids: Vec<Uuid> = named.iter().map(|(uid, _)| *uid).collect();
    let titles: Vec<Option<Vec<u8>>> = named.iter().map(|(_, title)| title.clone()).collect();
    appointment_query!(
        r#"
        insert into appointments as a (organization_id, uid, title_encrypted, status, started_at, ended_at, block,
                                       specialist_id, patient_id, appointment_template_id, appointment_series_id,
                                       specialty_id, modality, user_id, cancellation_cutoff_minutes,
                                       reschedule_cutoff_minutes)
        select $1, o.uid, o.title, 'scheduled', o.started_at, o.ended_at, tstzrange(o.block_start, o.block_end), $2, $3, $4,
               $5, $6, $7, $8, $9, $10
        from unnest($11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::uuid[], $16::bytea[])
             as o(started_at, ended_at, block_start, block_end, uid, title)
        returning
        "#,
        "",
        organization.0,
        input.specialist_id.0,
        input.patient_id.0,
        input.template_id.map(|id| id.0),
        id.0,
        terms.specialty_id.map(|id| id.0),
        terms.modality as Modality,
        user.map(|id| id.0),
        terms.cancellation_cutoff_minutes,
        terms.reschedule_cutoff_minutes,
        &times(|slot| slot.started_at),
        &times(|slot| slot.ended_at),
        &times(|slot| slot.block_start),
        &times(|slot| slot.block_end),
        &uids,
        &titles as &[Option<Vec<u8>>]
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(on_overlap)
}

/// New values of an appointment of a series.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) id: AppointmentId,
    /// Sealed title.
    pub(super) title: Option<Vec<u8>>,
    pub(super) specialty_id: Option<SpecialtyId>,
    pub(super) specialist_id: SpecialistId,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) block: Period,
}

/// Changes appointments in one statement, so that each may take the time of another one.
pub(super) async fn appointments_change(
    tx: &mut impl Tx,
    changes: &[Change],
) -> Result<Vec<AppointmentRow>, AppointmentError> {
    let ids: Vec<i64> = changes.iter().map(|change| change.id.0).collect();
    let titles: Vec<Option<Vec<u8>>> = changes.iter().map(|change| change.title.clone()).collect();
    let specialties: Vec<Option<i64>> = changes.iter().map(|change| change.specialty_id.map(|id| id.0)).collect();
    let specialists: Vec<i64> = changes.iter().map(|change| change.specialist_id.0).collect();
    let times = |of: fn(&Change) -> DateTime<Utc>| changes.iter().map(of).collect::<Vec<_>>();
    appointment_query!(
        r#"
        update appointments a
        set title = '', title_encrypted = c.title, specialty_id = c.specialty_id, specialist_id = c.specialist_id, started_at = c.started_at,
            ended_at = c.ended_at, block = tstzrange(c.block_start, c.block_end), version = a.version + 1,
            updated_at = now()
        from unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                    $7::timestamptz[], $8::timestamptz[])
             as c(id, title, specialty_id, specialist_id, started_at, ended_at, block_start, block_end)
        where a.id = c.id
        returning
        "#,
        "",
        &ids,
        &titles as &[Option<Vec<u8>>],
        &specialties as _,
        &specialists,
        &times(|change| change.started_at),
        &times(|change| change.ended_at),
        &times(|change| change.block.start),
        &times(|change| change.block.end)
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(on_overlap)
}

/// Increments the version of a series and sets its specialist to the one of all coming appointments. The specialist
/// stays if they have several.
pub(super) async fn series_touch(tx: &mut impl Tx, id: AppointmentSeriesId) -> Result<(), DatabaseError> {
    let done = sqlx::query!(
        r#"
        update appointment_series s
        set version = s.version + 1, updated_at = now(),
            specialist_id = coalesce(
                (select min(a.specialist_id) from appointments a
                 where a.organization_id = s.organization_id and a.appointment_series_id = s.id
                   and a.status in ('scheduled', 'confirmed') and a.started_at > now() and a.deleted_at is null
                 having count(distinct a.specialist_id) = 1),
                s.specialist_id)
        where s.id = $1
        "#,
        id.0
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// Sets the sealed title of a series.
pub(super) async fn series_name(
    tx: &mut impl Tx,
    id: AppointmentSeriesId,
    title: Option<&[u8]>,
) -> Result<(), DatabaseError> {
    let done =
        sqlx::query!("update appointment_series set title = '', title_encrypted = $2 where id = $1", id.0, title)
            .execute(tx.connection()?)
            .await?;
    one_row(&done)
}
