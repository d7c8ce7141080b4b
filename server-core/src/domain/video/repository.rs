use super::model::{Meeting, OpenTime};
use crate::{
    database::{DatabaseError, OpenReader, Tx},
    ids::{AppointmentId, PatientId, SpecialistId},
};

/// Returns an appointment, deleted or not, and its room.
pub(super) async fn meeting_get(reader: &mut OpenReader, id: AppointmentId) -> Result<Option<Meeting>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query_as!(
        Meeting,
        r#"
        select a.uid, a.deleted_at is not null as "deleted!", a.modality = 'video' as "by_video!",
               a.status in ('scheduled', 'confirmed', 'in_progress') as "standing!", a.started_at, a.ended_at,
               a.patient_id as "patient_id: PatientId", a.specialist_id as "specialist_id: SpecialistId",
               r.url as "room_url?", r.opens_at as "room_opens_at?", r.closes_at as "room_closes_at?"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from appointments where id = $6 and ctx offset 0) a
        left join lateral (
            select * from video_rooms where organization_id = a.organization_id and appointment_id = a.id and ctx offset 0
        ) r on true
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

/// Stores the room of an appointment if the appointment has not changed since it was read, and locks the appointment
/// until the transaction ends. Returns `true` if the room is new, `None` if the appointment has changed.
pub(super) async fn room_store(
    tx: &mut impl Tx,
    id: AppointmentId,
    meeting: &Meeting,
    url: &str,
) -> Result<Option<bool>, DatabaseError> {
    let OpenTime { opens_at, closes_at } = meeting.open_time();
    let created = sqlx::query_scalar!(
        r#"
        with standing as (
            select organization_id, id, patient_id, specialist_id from appointments
            where id = $1 and modality = 'video' and status in ('scheduled', 'confirmed', 'in_progress')
              and deleted_at is null and started_at = $2 and ended_at = $3
            for share
        )
        insert into video_rooms (organization_id, appointment_id, patient_id, specialist_id, name, url, opens_at, closes_at)
        select s.organization_id, s.id, s.patient_id, s.specialist_id, $4, $5, $6, $7 from standing s
        on conflict (organization_id, appointment_id) do update
        set patient_id = excluded.patient_id, specialist_id = excluded.specialist_id, name = excluded.name,
            url = excluded.url, opens_at = excluded.opens_at, closes_at = excluded.closes_at, updated_at = now()
        returning xmax = 0 as "created!"
        "#,
        id.0,
        meeting.started_at,
        meeting.ended_at,
        meeting.room_name(),
        url,
        opens_at,
        closes_at
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(created)
}

/// Deletes the stored room of an appointment; returns `false` if there is none.
pub(super) async fn room_delete(tx: &mut impl Tx, id: AppointmentId) -> Result<bool, DatabaseError> {
    let done =
        sqlx::query!("delete from video_rooms where appointment_id = $1", id.0).execute(tx.connection()?).await?;
    Ok(done.rows_affected() == 1)
}
