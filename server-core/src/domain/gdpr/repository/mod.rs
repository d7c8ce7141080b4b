mod holding;
mod person;

pub(super) use holding::{HeldKey, HeldRow, Reach, RowKey, bytes, holding_change, holding_page, is_held};
pub(super) use person::{
    Person, account_hold, clerk_id, clerk_id_forget, memberships_hold, patient_user, person_get, person_locks,
};

use uuid::Uuid;

use super::model::{ErasureMode, Subject};
use crate::{
    database::{DatabaseError, OpenReader, Tx},
    ids::{OrganizationId, PatientId, UserId},
    jobs::{Job, JobState},
};

/// Returns true if a user may erase the person: administrators may in their organization, superadmins everywhere, and
/// users may erase themselves everywhere. Must be called above organizations.
pub(super) async fn may_erase(
    tx: &mut impl Tx,
    asker: Option<UserId>,
    organization: Option<OrganizationId>,
    subject: Subject,
) -> Result<bool, DatabaseError> {
    let Some(asker) = asker else { return Ok(false) };
    if organization.is_none() && matches!(subject, Subject::User(user) if user == asker) {
        return Ok(true);
    }
    let may = sqlx::query_scalar!(
        r#"
        select exists (
            select from users u
            where u.id = $1 and u.deleted_at is null
              and (u.superadmin
                   or exists (select from memberships m
                              where m.user_id = u.id and m.organization_id = $2 and m.role = 'admin'))) as "may!"
        "#,
        asker.0,
        organization.map(|id| id.0)
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(may)
}

/// Returns true if a forwarder has leased audit rows of the user, whose personal part may be sent although it is erased
/// here. Rows that Telemetry refused are postponed for longer than a lease, so they don't count.
pub(super) async fn outbox_in_hand(tx: &mut impl Tx, user: i64) -> Result<bool, DatabaseError> {
    let in_hand = sqlx::query_scalar!(
        r#"
        select exists (
            select from audit_outbox o join audit_log l on l.id = o.audit_id
            where o.leased_until between clock_timestamp() and clock_timestamp() + interval '15 seconds'
              and (l.actor_user_id = $1 or l.impersonator_user_id = $1)) as "in_hand!"
        "#,
        user
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(in_hand)
}

/// Reads an erasure that the caller may see, and its organization.
pub(super) async fn erasure_get(
    reader: &mut OpenReader,
    kind: &str,
    id: Uuid,
) -> Result<Option<(Option<OrganizationId>, Job)>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query!(
        r#"
        select j.id, j.organization_id, j.payload, j.state as "state: JobState", j.attempts, j.last_error, j.progress,
               j.created_at, j.started_at, j.finished_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from jobs where id = $6 and kind = $7 and ctx offset 0) j
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id,
        kind
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let organization = Some(row.organization_id).filter(|id| *id != 0).map(OrganizationId);
        let job = Job {
            id: row.id,
            payload: row.payload,
            state: row.state,
            attempts: row.attempts,
            last_error: row.last_error,
            progress: row.progress,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        };
        (organization, job)
    }))
}

/// Returns the latest erasure in the context's organization that covered the patient record, alone or together with its
/// user. Dry runs have no key.
pub(super) async fn erasure_of_record(
    tx: &mut impl Tx,
    organization: Option<OrganizationId>,
    kind: &str,
    mode: ErasureMode,
    patient: PatientId,
) -> Result<Option<Job>, DatabaseError> {
    let job = sqlx::query_as!(
        Job,
        r#"
        select id, payload, state as "state: JobState", attempts, last_error, progress, created_at, started_at,
               finished_at
        from jobs
        where organization_id = $1 and kind = $2 and key is not null and payload ->> 'mode' = $3
          and progress -> 'person' -> 'patients' @> to_jsonb($4::bigint)
        order by created_at desc, id desc limit 1
        "#,
        organization.map_or(0, |id| id.0),
        kind,
        mode.as_str(),
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(job)
}
