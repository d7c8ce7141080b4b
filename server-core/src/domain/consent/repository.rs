use uuid::Uuid;

use super::model::{ConsentDecision, ConsentPurpose, WaitingDecision};
use crate::{
    database::{Across, DatabaseError, Tx, WriteTx},
    ids::{OrganizationId, PatientId},
};

/// Adds decisions of a patient; they are dated by the transaction.
pub(super) async fn decisions_add(
    tx: &mut WriteTx,
    organization: OrganizationId,
    patient: PatientId,
    decisions: &[ConsentDecision],
) -> Result<(), DatabaseError> {
    let ids: Vec<Uuid> = decisions.iter().map(|_| Uuid::now_v7()).collect();
    let purposes: Vec<String> = decisions.iter().map(|decision| decision.purpose.as_str().to_owned()).collect();
    let granted: Vec<bool> = decisions.iter().map(|decision| decision.granted).collect();
    let texts: Vec<String> = decisions.iter().map(|decision| decision.text_version.as_str().to_owned()).collect();
    sqlx::query!(
        "insert into consent_outbox (organization_id, patient_id, id, purpose, granted, text_version)
         select $1, $2, d.id, d.purpose, d.granted, d.text_version
         from unnest($3::uuid[], $4::text[], $5::boolean[], $6::text[]) as d (id, purpose, granted, text_version)",
        organization.0,
        patient.0,
        &ids,
        &purposes,
        &granted,
        &texts
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Reads decisions of a patient that Telemetry does not have yet, the first to be made first.
pub(super) async fn decisions_waiting(
    across: &Across,
    organization: OrganizationId,
    patient: PatientId,
    limit: i64,
) -> Result<Vec<WaitingDecision>, DatabaseError> {
    let rows = sqlx::query_as!(
        WaitingDecision,
        r#"
        select id, purpose as "purpose: ConsentPurpose", granted, text_version, decided_at from consent_outbox
        where organization_id = $1 and patient_id = $2
        order by id
        limit $3
        "#,
        organization.0,
        patient.0,
        limit
    )
    .fetch_all(across.pool())
    .await?;
    Ok(rows)
}

/// Deletes decisions that Telemetry has.
pub(super) async fn decisions_delete(
    across: &Across,
    organization: OrganizationId,
    patient: PatientId,
    ids: &[Uuid],
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "delete from consent_outbox where organization_id = $1 and patient_id = $2 and id = any($3)",
        organization.0,
        patient.0,
        ids
    )
    .execute(across.pool())
    .await?;
    Ok(())
}
