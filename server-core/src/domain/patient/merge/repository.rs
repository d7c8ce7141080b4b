use super::{
    super::error::PatientError,
    change::{Change, ChangeKind},
    model::MergePatient,
};
use crate::{
    database::{DatabaseError, Tx, WriteTx, broken_constraint},
    ids::PatientId,
};

/// Merges a record into the record of `surviving`; returns the changes, or the reasons for which there are none.
pub(super) async fn patient_merge(
    tx: &mut WriteTx,
    surviving: PatientId,
    merge: &MergePatient,
) -> Result<Vec<Change>, PatientError> {
    sqlx::query_as!(
        Change,
        r#"
        select c.kind as "kind!: ChangeKind", c.id as "id!", c.other, c.since
        from patient_merge($1, $2, $3, $4) c
        "#,
        surviving.0,
        merge.merged_patient_id.0,
        merge.version,
        merge.merged_version
    )
    .fetch_all(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        // Found by the constraint alone, which names no appointment.
        Some("appointments_patient_overlap") => PatientError::AppointmentsOverlap { overlaps: Vec::new() },
        _ => DatabaseError::from(error).into(),
    })
}

/// Returns the patient that a record was merged into, if the context shows that one.
pub(super) async fn merged_into(tx: &mut impl Tx, id: PatientId) -> Result<Option<PatientId>, DatabaseError> {
    let owner = sqlx::query_scalar!(
        r#"
        select p.id as "id: PatientId" from patient_merges m
        join patients p on p.organization_id = m.organization_id and p.id = m.owner_id and p.deleted_at is null
        -- above organizations, the one of the record
        where m.organization_id = coalesce(context_organization(),
                                           (select r.organization_id from patients r where r.id = $1))
          and m.patient_id = $1
        "#,
        id.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(owner)
}

/// Returns the records that were merged into a patient of the context's organization, in the order of their ids.
pub(crate) async fn merged_records(tx: &mut impl Tx, owner: PatientId) -> Result<Vec<PatientId>, DatabaseError> {
    let records = sqlx::query_scalar!(
        r#"
        select patient_id as "patient_id: PatientId" from patient_merges
        where organization_id = context_organization() and owner_id = $1
        order by patient_id
        "#,
        owner.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(records)
}
