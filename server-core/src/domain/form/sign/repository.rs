use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::super::{content::FrozenContent, model::FormStatus};
use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::FormId,
};

/// Signature to be stored.
pub(super) struct NewSignature<'a> {
    pub(super) form: FormId,
    /// Version of the form that the signature makes.
    pub(super) version: i64,
    /// State of the form with the signature.
    pub(super) status: FormStatus,
    pub(super) position: i32,
    pub(super) statement: &'a Value,
    pub(super) hash: [u8; 32],
    pub(super) signed_at: DateTime<Utc>,
    /// Content that the first signature freezes.
    pub(super) frozen: Option<&'a FrozenContent>,
}

/// Adds a signature to a form that the transaction has locked; returns the time of the change.
pub(super) async fn form_sign(tx: &mut WriteTx, new: &NewSignature<'_>) -> Result<DateTime<Utc>, DatabaseError> {
    let at = sqlx::query_scalar!(
        r#"
        with written as (
            update forms f
            set status = $3, version = $2, updated_at = now(), document_encrypted = null,
                content_encrypted = coalesce(f.content_encrypted, $4), content_hash = coalesce(f.content_hash, $5),
                signed_at = case when $3 = 'signed' then $6::timestamptz end
            where f.organization_id = (select context_organization()) and f.id = $1
              and f.status in ('submitted', 'partly_signed')
            returning f.organization_id, f.id, f.version, f.patient_id, f.form_template_version, f.updated_at
        ), signed as (
            insert into form_signatures (organization_id, form_id, position, statement, statement_hash, signed_at)
            select w.organization_id, w.id, $7, $8, $9, $6 from written w
        ), changed as (
            insert into form_changes (organization_id, form_id, form_version, patient_id, kind, form_template_version)
            select w.organization_id, w.id, w.version, w.patient_id, 'signed', w.form_template_version from written w
        )
        select w.updated_at as "updated_at!" from written w
        "#,
        new.form.0,
        new.version,
        new.status as FormStatus,
        new.frozen.map(|frozen| frozen.sealed.as_slice()),
        new.frozen.map(|frozen| frozen.hash.as_slice()),
        new.signed_at,
        new.position,
        new.statement,
        new.hash.as_slice()
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(at)
}

/// Returns the global id of a form.
pub(super) async fn form_uid(tx: &mut WriteTx, form: FormId) -> Result<Uuid, DatabaseError> {
    let uid = sqlx::query_scalar!(
        "select uid from forms where organization_id = (select context_organization()) and id = $1",
        form.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(uid)
}
