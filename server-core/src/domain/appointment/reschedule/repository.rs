use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging};

use super::{
    super::{
        columns::appointment_query,
        error::AppointmentError,
        model::Appointment,
        repository::on_overlap,
        transition::{Block, Standing},
    },
    model::Reschedule,
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx},
    ids::{AppointmentId, OrganizationId, SpecialistId, UserId},
};

/// Where an appointment moves to.
pub(super) struct Move {
    pub(super) specialist: SpecialistId,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) block: Block,
}

/// Moves an appointment; its own time is in nobody's way. `None`: there is no such specialist.
pub(super) async fn appointment_move(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: AppointmentId,
    to: &Move,
) -> Result<Option<Appointment>, AppointmentError> {
    appointment_query!(
        r#"
        update appointments a
        set started_at = $4, ended_at = $5, block = tstzrange($6, $7), specialist_id = s.id,
            sequence = a.sequence + 1, version = a.version + 1, updated_at = now()
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

/// Keeps where an appointment was, if it is elsewhere now.
pub(crate) async fn record(
    tx: &mut impl Tx,
    before: &Standing,
    now: &Appointment,
    user: Option<UserId>,
) -> Result<(), DatabaseError> {
    let from = (before.specialist_id, before.started_at, before.ended_at);
    if from == (now.specialist_id, now.started_at, now.ended_at) {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into appointment_reschedules (organization_id, appointment_id, patient_id, from_specialist_id,
                                             from_started_at, from_ended_at, to_specialist_id, to_started_at,
                                             to_ended_at, user_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        now.organization_id.0,
        now.id.0,
        now.patient_id.0,
        before.specialist_id.0,
        before.started_at,
        before.ended_at,
        now.specialist_id.0,
        now.started_at,
        now.ended_at,
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

/// The moves of an appointment, the first one first.
pub(super) async fn reschedule_page(
    reader: &mut OpenReader,
    id: AppointmentId,
    paging: Paging,
) -> Result<Page<Reschedule>, DatabaseError> {
    reader.list().filter("appointment_id =", Some(id)).page("id", paging).await
}
