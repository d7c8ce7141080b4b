use chrono::{DateTime, Utc};
use sqlx::postgres::PgDatabaseError;
use uuid::Uuid;

use super::{
    super::{
        columns::appointment_query,
        error::{AppointmentError, HoldLimit},
        repository::on_overlap,
        row::AppointmentRow,
    },
    model::{Hold, TemplateBooking, Wanted},
};
use crate::{
    database::{Across, DatabaseError, Tx, broken_constraint},
    domain::{appointment_template::Modality, availability::OpenSlot, period::Period},
    ids::{AppointmentId, OrganizationId, PatientId, SpecialistId, SpecialtyId, UserId, WaitlistEntryId},
};

/// Expires lapsed holds of the specialists or the patient that overlap `blocks`; returns their ids. The caller holds
/// the locks of all of them.
pub(super) async fn holds_expire(
    tx: &mut impl Tx,
    specialists: &[SpecialistId],
    patient: PatientId,
    blocks: &[Period],
) -> Result<Vec<AppointmentId>, DatabaseError> {
    let specialists: Vec<i64> = specialists.iter().map(|id| id.0).collect();
    let starts: Vec<DateTime<Utc>> = blocks.iter().map(|block| block.start).collect();
    let ends: Vec<DateTime<Utc>> = blocks.iter().map(|block| block.end).collect();
    let expired = sqlx::query_scalar!(
        r#"
        select expire_holds($1, $2, (select range_agg(tstzrange(b.starts, b.ends))
                                     from unnest($3::timestamptz[], $4::timestamptz[]) as b(starts, ends)))
               as "id!: AppointmentId"
        "#,
        &specialists,
        patient.0,
        &starts,
        &ends
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(expired)
}

/// References of a booking with a template, as far as they exist, and the terms of the template.
#[derive(Debug)]
pub(super) struct TermsRow {
    pub(super) specialist: bool,
    pub(super) patient: bool,
    /// `None` if the template does not exist or is archived.
    pub(super) duration_minutes: Option<i32>,
    pub(super) buffer_before_minutes: Option<i32>,
    pub(super) buffer_after_minutes: Option<i32>,
    pub(super) specialty_id: Option<SpecialtyId>,
    pub(super) modality: Option<Modality>,
    pub(super) cancellation_cutoff_minutes: Option<i32>,
    pub(super) reschedule_cutoff_minutes: Option<i32>,
}

/// Reads the terms of a booking with a template: buffers that the template leaves out are those of the specialist.
pub(super) async fn template_terms(
    tx: &mut impl Tx,
    organization: OrganizationId,
    booking: &TemplateBooking<'_>,
) -> Result<TermsRow, DatabaseError> {
    let row = sqlx::query_as!(
        TermsRow,
        r#"
        select s.id is not null as "specialist!", p.id is not null as "patient!",
               t.duration_minutes as "duration_minutes?",
               coalesce(t.buffer_before_minutes, s.buffer_before_minutes) as "buffer_before_minutes?",
               coalesce(t.buffer_after_minutes, s.buffer_after_minutes) as "buffer_after_minutes?",
               t.specialty_id as "specialty_id?: SpecialtyId", t.modality as "modality?: Modality",
               t.cancellation_cutoff_minutes as "cancellation_cutoff_minutes?",
               t.reschedule_cutoff_minutes as "reschedule_cutoff_minutes?"
        from (select 1) as one
        left join specialists s on s.organization_id = $1 and s.id = $2 and s.deleted_at is null
        left join patients p on p.organization_id = $1 and p.id = $3 and p.deleted_at is null
        left join appointment_templates t on t.organization_id = $1 and t.id = $4 and t.archived_at is null
        "#,
        organization.0,
        booking.specialist.0,
        booking.patient.0,
        booking.template.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

/// Inserts a hold if `hold` is given, else a booking, with the terms of the slot. The title is sealed and bound to
/// `uid`. Returns `None` if the patient does not exist.
pub(super) async fn slot_take(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    wanted: &Wanted,
    slot: &OpenSlot,
    (uid, title): (Uuid, Option<&[u8]>),
    hold: Option<&Hold>,
) -> Result<Option<AppointmentRow>, AppointmentError> {
    appointment_query!(
        r#"
        insert into appointments as a (organization_id, title_encrypted, status, started_at, ended_at, block,
                                       specialist_id, patient_id, appointment_template_id, specialty_id, modality, user_id, holder,
                                       hold_expires_at, cancellation_cutoff_minutes, reschedule_cutoff_minutes,
                                       waitlist_entry_id, uid)
        select $1, $2, case when $13::text is null then 'scheduled' else 'held' end, $3, $4, tstzrange($5, $6), $7,
               p.id, $9, $10, $11, $12, $13,
               least(now() + make_interval(secs => $14), case when $17::bigint is not null then $3::timestamptz end), $15, $16, $17, $18
        from patients p
        where p.organization_id = $1 and p.id = $8 and p.deleted_at is null
        returning
        "#,
        "",
        organization.0,
        title,
        slot.started_at,
        slot.ended_at,
        slot.block_start,
        slot.block_end,
        wanted.specialist.0,
        wanted.patient.0,
        wanted.template.map(|id| id.0),
        slot.specialty_id.map(|id| id.0),
        slot.modality as Modality,
        user.map(|id| id.0),
        hold.map(|hold| hold.holder.as_str()),
        hold.map(|hold| hold.lasts.as_seconds_f64()),
        slot.cancellation_cutoff_minutes,
        slot.reschedule_cutoff_minutes,
        hold.and_then(|hold| hold.entry).map(|id| id.0),
        uid
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_limit)
}

/// Converts the refusal of a hold beyond the limits of its maker; any other error as [`on_overlap`] does.
fn on_limit(error: sqlx::Error) -> AppointmentError {
    let refused: fn(HoldLimit) -> AppointmentError = match broken_constraint(&error) {
        Some("appointments_holds_at_once") => |limit| AppointmentError::TooManyHolds { limit },
        Some("appointments_holds_a_day") => |limit| AppointmentError::TooManyHoldsADay { limit },
        _ => return on_overlap(error),
    };
    let stated = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()?.detail());
    match stated.and_then(|detail| serde_json::from_str(detail).ok()) {
        Some(limit) => refused(limit),
        None => DatabaseError::from(error).into(),
    }
}

/// Turns a hold into a booking and sets its sealed title. `user` becomes the booking's user if the hold has none.
pub(super) async fn hold_book(
    tx: &mut impl Tx,
    id: AppointmentId,
    title: Option<&[u8]>,
    user: Option<UserId>,
) -> Result<AppointmentRow, DatabaseError> {
    let row = appointment_query!(
        r#"
        update appointments a
        set status = 'scheduled', title = '', title_encrypted = $2, user_id = coalesce(a.user_id, $3), holder = null, hold_expires_at = null,
            version = a.version + 1, updated_at = now()
        where a.id = $1
        returning
        "#,
        "",
        id.0,
        title,
        user.map(|id| id.0)
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

/// Lists the organizations that have lapsed holds.
pub(super) async fn lapsed_organizations(across: &Across) -> Result<Vec<OrganizationId>, DatabaseError> {
    let organizations = sqlx::query_scalar!(
        r#"
        select distinct organization_id as "id: OrganizationId" from appointments
        where status = 'held' and hold_expires_at <= now() and deleted_at is null
        "#
    )
    .fetch_all(across.pool())
    .await?;
    Ok(organizations)
}

/// Expires the offers of an entry of the waitlist, lapsed or not; returns each with its specialist. A `withdrawn` offer
/// is deleted as well, so that it does not count as one that the patient let lapse.
pub(super) async fn offer_end(
    tx: &mut impl Tx,
    entry: WaitlistEntryId,
    withdrawn: bool,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    let released = sqlx::query!(
        r#"
        update appointments a
        set status = 'expired', holder = null, deleted_at = case when $2 then now() end, version = a.version + 1,
            updated_at = now()
        where a.waitlist_entry_id = $1 and a.status = 'held' and a.deleted_at is null
        returning a.id as "id: AppointmentId", a.specialist_id as "specialist_id: SpecialistId"
        "#,
        entry.0,
        withdrawn
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(released.into_iter().map(|row| (row.id, row.specialist_id)).collect())
}

/// Expires at most `limit` lapsed holds of an organization; returns each with its specialist. Skips rows that another
/// transaction has locked.
pub(super) async fn lapsed_expire(
    tx: &mut impl Tx,
    organization: OrganizationId,
    limit: i64,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    let expired = sqlx::query!(
        r#"
        update appointments a
        set status = 'expired', holder = null, version = a.version + 1, updated_at = now()
        -- in an array: no plan joins the update with what it locks
        where a.id = any(array(
            select h.id from appointments h
            -- as appointments_lapsed_idx states it, which no other index serves
            where (case when h.status = 'held' and h.deleted_at is null then h.organization_id end) = $1
              and h.status = 'held' and h.hold_expires_at <= now()
            order by h.hold_expires_at
            limit $2
            for update skip locked))
        returning a.id as "id: AppointmentId", a.specialist_id as "specialist_id: SpecialistId"
        "#,
        organization.0,
        limit
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(expired.into_iter().map(|row| (row.id, row.specialist_id)).collect())
}
