use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging};
use sqlx::{FromRow, postgres::PgRow};

use super::model::{OfferState, Waiting, WaitlistEntry, WaitlistFilter, WaitlistOffer, WaitlistStatus, Wish};
use crate::{
    database::{Across, DatabaseError, Listed, OpenReader, Tx, one_row},
    domain::{period::Period, rules::InvalidValue},
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, WaitlistEntryId},
};

/// Maximum number of open entries of a patient. Each of them may get an offer.
const MOST_OPEN: i64 = 10;

/// Row of `waitlist_standing`.
#[derive(FromRow)]
struct EntryRow {
    id: WaitlistEntryId,
    organization_id: OrganizationId,
    patient_id: PatientId,
    specialist_id: Option<SpecialistId>,
    template_id: Option<AppointmentTemplateId>,
    requested_from: DateTime<Utc>,
    requested_to: DateTime<Utc>,
    status: WaitlistStatus,
    appointment_id: Option<AppointmentId>,
    offer_id: Option<AppointmentId>,
    offer_specialist_id: Option<SpecialistId>,
    offer_started_at: Option<DateTime<Utc>>,
    offer_ended_at: Option<DateTime<Utc>>,
    offer_expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl EntryRow {
    fn offer(&self) -> Option<WaitlistOffer> {
        Some(WaitlistOffer {
            appointment_id: self.offer_id?,
            specialist_id: self.offer_specialist_id?,
            started_at: self.offer_started_at?,
            ended_at: self.offer_ended_at?,
            expires_at: self.offer_expires_at?,
        })
    }
}

impl FromRow<'_, PgRow> for WaitlistEntry {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let row = EntryRow::from_row(row)?;
        Ok(Self {
            offer: row.offer(),
            id: row.id,
            organization_id: row.organization_id,
            patient_id: row.patient_id,
            specialist_id: row.specialist_id,
            template_id: row.template_id,
            requested_from: row.requested_from,
            requested_to: row.requested_to,
            status: row.status,
            appointment_id: row.appointment_id,
            created_at: row.created_at,
        })
    }
}

impl Listed for WaitlistEntry {
    const TABLE: &'static str = "waitlist_standing()";
    const COLUMNS: &'static str = "id, organization_id, patient_id, specialist_id, template_id, requested_from, requested_to, \
                                   status, appointment_id, offer_id, offer_specialist_id, offer_started_at, offer_ended_at, \
                                   offer_expires_at, created_at";
    const PRESENT: &'static str = "true";
}

/// Returns a page of entries, the longest waiting first.
pub(super) async fn entry_page(
    reader: &mut OpenReader,
    filter: &WaitlistFilter,
    paging: Paging,
) -> Result<Page<WaitlistEntry>, DatabaseError> {
    reader
        .list()
        .filter("specialist_id =", filter.specialist_id)
        .filter("patient_id =", filter.patient_id)
        .filter("status =", filter.status)
        .page("id", paging)
        .await
}

/// Inserts an entry. The caller holds the lock of its patient. Returns `None` if a reference does not exist, see
/// [`unknown_reference`], or the patient already waits for the same or has too many open entries.
pub(super) async fn entry_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<Option<WaitlistEntry>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        insert into waitlist_entries (organization_id, patient_id, specialist_id, template_id, requested_from, requested_to)
        select $1, p.id, $3, $4, $5, $6
        from patients p
        where p.organization_id = $1 and p.id = $2 and p.deleted_at is null
          and ($3::bigint is null or exists (select from specialists s where s.organization_id = $1 and s.id = $3
                                             and s.deleted_at is null))
          and ($4::bigint is null or exists (select from appointment_templates t where t.organization_id = $1 and t.id = $4
                                             and t.archived_at is null))
          and not exists (select from waitlist_standing() w
                          where w.organization_id = $1 and w.patient_id = $2 and w.specialist_id is not distinct from $3
                            and w.template_id is not distinct from $4 and w.status in ('waiting', 'offered'))
          and (select count(*) from waitlist_standing() w
               where w.organization_id = $1 and w.patient_id = $2 and w.status in ('waiting', 'offered')) < $7
        returning id as "id: WaitlistEntryId", requested_from, requested_to, created_at
        "#,
        organization.0,
        wish.patient.0,
        wish.specialist.map(|id| id.0),
        wish.template.map(|id| id.0),
        wish.from,
        wish.to,
        MOST_OPEN
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| WaitlistEntry {
        id: row.id,
        organization_id: organization,
        patient_id: wish.patient,
        specialist_id: wish.specialist,
        template_id: wish.template,
        requested_from: row.requested_from,
        requested_to: row.requested_to,
        status: WaitlistStatus::Waiting,
        offer: None,
        appointment_id: None,
        created_at: row.created_at,
    }))
}

/// Finds the reference of a wish that does not exist. If all exist, returns `true` if its patient already waits for the
/// same.
pub(super) async fn unknown_reference(
    tx: &mut impl Tx,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<Result<bool, InvalidValue>, DatabaseError> {
    let found = sqlx::query!(
        r#"
        select exists (select from patients where organization_id = $1 and id = $2 and deleted_at is null) as "patient!",
               $3::bigint is null or exists (select from specialists where organization_id = $1 and id = $3
                                             and deleted_at is null) as "specialist!",
               $4::bigint is null or exists (select from appointment_templates where organization_id = $1 and id = $4
                                             and archived_at is null) as "template!",
               exists (select from waitlist_standing() w
                       where w.organization_id = $1 and w.patient_id = $2 and w.specialist_id is not distinct from $3
                         and w.template_id is not distinct from $4 and w.status in ('waiting', 'offered')) as "waits!"
        "#,
        organization.0,
        wish.patient.0,
        wish.specialist.map(|id| id.0),
        wish.template.map(|id| id.0)
    )
    .fetch_one(tx.connection()?)
    .await?;
    let unknown = |pointer, message| Err(InvalidValue::new(pointer, "unknown_reference", message));
    Ok(if !found.patient {
        unknown("/patient_id", "is no patient of this organization that you may see")
    } else if !found.specialist {
        unknown("/specialist_id", "is no specialist of this organization")
    } else if !found.template {
        unknown("/template_id", "is no appointment template in use of this organization")
    } else {
        Ok(found.waits)
    })
}

/// Lists the specialists who can serve a wish.
pub(super) async fn specialists_of(
    tx: &mut impl Tx,
    organization: OrganizationId,
    wish: &Wish,
) -> Result<Vec<SpecialistId>, DatabaseError> {
    let specialists = sqlx::query_scalar!(
        r#"select s.id as "id!: SpecialistId" from waitlist_specialists($1, $2, $3) as s (id)"#,
        organization.0,
        wish.specialist.map(|id| id.0),
        wish.template.map(|id| id.0)
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(specialists)
}

/// Deletes an entry; returns `false` if it does not exist.
pub(super) async fn entry_delete(tx: &mut impl Tx, id: WaitlistEntryId) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        "update waitlist_entries set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null",
        id.0
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Returns the state of an entry and its offer.
pub(super) async fn offer_state(
    reader: &mut OpenReader,
    id: WaitlistEntryId,
) -> Result<Option<OfferState>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        OfferState,
        r#"
        select w.patient_id as "patient_id!: PatientId", w.booked_at is not null as "booked!",
               w.offer_id as "offer_id: AppointmentId", w.offer_specialist_id as "offer_specialist_id: SpecialistId",
               w.offer_started_at, w.offer_ended_at,
               exists (select from appointments a
                       where a.organization_id = w.organization_id and a.waitlist_entry_id = w.id) as "had_offer!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from waitlist_standing() where id = $6 and ctx offset 0) w
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

/// Locks an entry against other changes; returns its state. The caller holds the lock of its patient, so that no offer
/// is made or accepted meanwhile.
pub(super) async fn offer_lock(tx: &mut impl Tx, id: WaitlistEntryId) -> Result<Option<OfferState>, DatabaseError> {
    let row = sqlx::query_as!(
        OfferState,
        r#"
        with locked as materialized (
            select id from waitlist_entries where id = $1 and deleted_at is null for update
        )
        select w.patient_id as "patient_id!: PatientId", w.booked_at is not null as "booked!",
               w.offer_id as "offer_id: AppointmentId", w.offer_specialist_id as "offer_specialist_id: SpecialistId",
               w.offer_started_at, w.offer_ended_at,
               exists (select from appointments a
                       where a.organization_id = w.organization_id and a.waitlist_entry_id = w.id) as "had_offer!"
        from locked join waitlist_standing() w on w.id = locked.id
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row)
}

/// Records the appointment that was booked from an entry.
pub(super) async fn entry_book(
    tx: &mut impl Tx,
    id: WaitlistEntryId,
    appointment: AppointmentId,
) -> Result<(), DatabaseError> {
    let done = sqlx::query!(
        "update waitlist_entries set appointment_id = $2, booked_at = now(), updated_at = now() where id = $1",
        id.0,
        appointment.0
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// Lists the specialists that entries wait for, in every organization.
pub(super) async fn awaited_specialists(across: &Across) -> Result<Vec<(OrganizationId, SpecialistId)>, DatabaseError> {
    let rows = sqlx::query!(
        r#"
        select distinct w.organization_id as "organization_id!: OrganizationId", s.id as "specialist_id!: SpecialistId"
        from (
            -- many wait for the same
            select distinct organization_id, specialist_id, template_id from waitlist_standing()
            where status = 'waiting' and booked_at is null and requested_to > now()
        ) w
        cross join lateral waitlist_specialists(w.organization_id, w.specialist_id, w.template_id) as s (id)
        "#
    )
    .fetch_all(across.pool())
    .await?;
    Ok(rows.into_iter().map(|row| (row.organization_id, row.specialist_id)).collect())
}

/// Lists the templates of waiting entries that a specialist can serve, with the union of their ranges.
pub(super) async fn awaited(
    reader: &mut OpenReader,
    served_by: SpecialistId,
) -> Result<Vec<(Option<AppointmentTemplateId>, Period)>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query!(
        r#"
        select w.template_id as "template_id: AppointmentTemplateId", w.requested_from as "requested_from!",
               w.requested_to as "requested_to!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select w.template_id, w.requested_from, w.requested_to
            from (
                select specialist_id, template_id, min(requested_from) as requested_from, max(requested_to) as requested_to
                from waitlist_standing()
                where organization_id = $2 and (specialist_id = $6 or specialist_id is null) and status = 'waiting'
                  and booked_at is null and requested_to > now()
                group by specialist_id, template_id
            ) w
            cross join lateral waitlist_specialists($2, w.specialist_id, w.template_id) as s (id)
            where s.id = $6 and ctx
            offset 0
        ) w
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        served_by.0
    )
    .fetch_all(connection)
    .await?;
    let awaited =
        rows.into_iter().map(|row| (row.template_id, Period { start: row.requested_from, end: row.requested_to }));
    Ok(awaited.collect())
}

/// Lists the waiting entries that a specialist can serve, the longest waiting first, in one statement.
pub(super) async fn waiting_for(
    reader: &mut OpenReader,
    served_by: SpecialistId,
) -> Result<Vec<Waiting>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query!(
        r#"
        select w.id as "id!: WaitlistEntryId", w.patient_id as "patient_id!: PatientId",
               w.template_id as "template_id: AppointmentTemplateId", w.requested_from as "requested_from!",
               w.requested_to as "requested_to!", b.starts as "busy_starts!", b.ends as "busy_ends!",
               o.starts as "passed_starts!", o.ends as "passed_ends!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            select w.* from waitlist_standing() w
            cross join lateral waitlist_specialists(w.organization_id, w.specialist_id, w.template_id) as s (id)
            where w.organization_id = $2 and w.status = 'waiting' and w.booked_at is null and w.requested_to > now()
              and s.id = $6 and ctx and waitlist_offers($2, w.patient_id) < 3
            offset 0
        ) w
        cross join lateral (
            -- no appointment is longer than a day, buffers included than two
            select coalesce(array_agg(lower(a.block)), '{}') as starts, coalesce(array_agg(upper(a.block)), '{}') as ends
            from appointments a
            where a.organization_id = $2 and a.patient_id = w.patient_id and a.deleted_at is null
              and a.status in ('held', 'scheduled', 'confirmed', 'in_progress')
              and (a.status <> 'held' or a.hold_expires_at > now())
              and a.started_at > now() - interval '2 days' and upper(a.block) > now()
        ) b
        cross join lateral (
            -- by whichever entry of it: who leaves and comes back waits for something else
            select coalesce(array_agg(a.started_at), '{}') as starts, coalesce(array_agg(a.ended_at), '{}') as ends
            from appointments a
            where a.organization_id = $2 and a.patient_id = w.patient_id and a.specialist_id = $6
              and a.waitlist_entry_id is not null and a.status in ('held', 'expired') and a.ended_at > now()
        ) o
        order by w.id
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        served_by.0
    )
    .fetch_all(connection)
    .await?;
    let stretches = |starts: Vec<DateTime<Utc>>, ends: Vec<DateTime<Utc>>| {
        starts.into_iter().zip(ends).map(|(start, end)| Period { start, end }).collect()
    };
    let entries = rows.into_iter().map(|row| Waiting {
        id: row.id,
        patient_id: row.patient_id,
        template_id: row.template_id,
        requested: Period { start: row.requested_from, end: row.requested_to },
        busy: stretches(row.busy_starts, row.busy_ends),
        passed: stretches(row.passed_starts, row.passed_ends),
    });
    Ok(entries.collect())
}

/// Locks an entry; returns `false` if it does not wait any more or this time with this specialist was offered to it
/// meanwhile. The caller holds the lock of its patient.
pub(super) async fn waiting_lock(
    tx: &mut impl Tx,
    id: WaitlistEntryId,
    specialist: SpecialistId,
    time: Period,
) -> Result<bool, DatabaseError> {
    let row = sqlx::query!(
        r#"
        select w.id from waitlist_entries w
        where w.id = $1 and w.deleted_at is null and w.booked_at is null and w.requested_to > now()
          and waitlist_offers(w.organization_id, w.patient_id) < 3
          and not exists (select from appointments a
                          where a.organization_id = w.organization_id and a.patient_id = w.patient_id
                            and a.waitlist_entry_id is not null and a.status in ('held', 'expired')
                            and (a.waitlist_entry_id = w.id and a.status = 'held' and a.hold_expires_at > now()
                                 and a.deleted_at is null
                                 or a.specialist_id = $2 and a.started_at < $4 and a.ended_at > $3))
        for update
        "#,
        id.0,
        specialist.0,
        time.start,
        time.end
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.is_some())
}
