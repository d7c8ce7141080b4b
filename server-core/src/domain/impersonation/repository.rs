use uuid::Uuid;

use super::model::Impersonation;
use crate::{
    database::{DatabaseError, Tx},
    ids::{ImpersonationId, OrganizationId, PatientId, UserId},
};

/// Impersonation to be stored.
pub(super) struct NewImpersonation<'a> {
    pub(super) impersonator: UserId,
    /// Session of the administrator; the impersonation ends with it.
    pub(super) session: Option<&'a str>,
    pub(super) patient: PatientId,
    pub(super) patient_user: UserId,
    pub(super) token_hash: &'a [u8],
    /// UUID of the row, to which the encrypted reason is bound.
    pub(super) uid: Uuid,
    /// Encrypted reason.
    pub(super) reason: Option<Vec<u8>>,
    pub(super) minutes: u32,
}

pub(super) async fn impersonation_create(
    tx: &mut impl Tx,
    organization: OrganizationId,
    new: &NewImpersonation<'_>,
) -> Result<Impersonation, DatabaseError> {
    let row = sqlx::query_as!(
        Impersonation,
        r#"
        insert into impersonations (organization_id, token_hash, impersonator_user_id, patient_id, patient_user_id, uid,
                                    reason_encrypted, expires_at, session_id)
        values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(mins => $8), $9)
        returning id as "id: ImpersonationId", patient_id as "patient_id: PatientId",
                  patient_user_id as "patient_user_id: UserId", impersonator_user_id as "impersonator_user_id: UserId",
                  expires_at, created_at
        "#,
        organization.0,
        new.token_hash,
        new.impersonator.0,
        new.patient.0,
        new.patient_user.0,
        new.uid,
        new.reason.as_deref(),
        i32::try_from(new.minutes).unwrap_or(0),
        new.session
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(row)
}

/// Ends an impersonation, unless it has ended already; returns false if there is none.
pub(super) async fn impersonation_revoke(tx: &mut impl Tx, id: ImpersonationId) -> Result<bool, DatabaseError> {
    let done = sqlx::query!("update impersonations set revoked_at = coalesce(revoked_at, now()) where id = $1", id.0)
        .execute(tx.connection()?)
        .await?;
    Ok(done.rows_affected() == 1)
}
