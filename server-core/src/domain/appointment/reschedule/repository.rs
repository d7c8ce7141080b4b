use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging};

use super::{
    super::{
        columns::appointment_query, error::AppointmentError, repository::on_overlap, row::AppointmentRow,
        transition::AppointmentState,
    },
    model::Reschedule,
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx},
    domain::period::Period,
    ids::{AppointmentId, OrganizationId, SpecialistId, UserId},
};

/// Target of a move.
pub(super) struct Move {
    pub(super) specialist: SpecialistId,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) block: Period,
}

/// Moves an appointment. Returns `None` if the specialist does not exist.
pub(super) async fn appointment_move(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: AppointmentId,
    to: &Move,
) -> Result<Option<AppointmentRow>, AppointmentError> {
    appointment_query!(
        r#"
        update appointments a
        set started_at = $4, ended_at = $5, block = tstzrange($6, $7), specialist_id = s.id,
            version = a.version + 1, updated_at = now()
        from specialists s
        where a.id = $2 and a.organization_id = $1
          and s.organization_id = $1 and s.id = $3 and s.deleted_at is null
        returning
        "#,
        "",
        organization.0,
        id.0,
        to.specialist.0,
        to.started_at,
        to.ended_at,
        to.block.start,
        to.block.end
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_overlap)
}

/// Records the moves of those appointments whose time or specialist differs from `before`.
pub(crate) async fn record(
    tx: &mut impl Tx,
    before: &[&AppointmentState],
    user: Option<UserId>,
) -> Result<(), DatabaseError> {
    let ids: Vec<i64> = before.iter().map(|before| before.id.0).collect();
    let specialists: Vec<i64> = before.iter().map(|before| before.specialist_id.0).collect();
    let starts: Vec<DateTime<Utc>> = before.iter().map(|before| before.started_at).collect();
    let ends: Vec<DateTime<Utc>> = before.iter().map(|before| before.ended_at).collect();
    sqlx::query!(
        r#"
        insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                             from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                             to_ended_at, user_id)
        select a.organization_id, a.id, a.patient_id, b.specialist_id, b.started_at, b.ended_at, a.specialist_id,
               a.started_at, a.ended_at, $5
        from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])
             as b(id, specialist_id, started_at, ended_at)
        join appointments a on a.id = b.id
        where (a.specialist_id, a.started_at, a.ended_at) <> (b.specialist_id, b.started_at, b.ended_at)
        "#,
        &ids,
        &specialists,
        &starts,
        &ends,
        user.map(|id| id.0)
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

impl Listed for Reschedule {
    const TABLE: &'static str = "appointment_reschedules";
    const COLUMNS: &'static str = "id, from_specialist_id, from_started_at, from_ended_at, to_specialist_id, to_started_at, \
                                   to_ended_at, user_id, created_at";
    const PRESENT: &'static str = "true";
}

/// Returns a page of the moves of an appointment, earliest first.
pub(super) async fn reschedule_page(
    reader: &mut OpenReader,
    id: AppointmentId,
    paging: Paging,
) -> Result<Page<Reschedule>, DatabaseError> {
    reader.list().filter("appointment_id =", Some(id)).page("id", paging).await
}
