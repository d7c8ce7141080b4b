use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::history::kept;
use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::FormId,
};

/// Draft that becomes a submitted form.
pub(super) struct Submission<'a> {
    pub(super) form: FormId,
    /// Version of the form that the submission makes.
    pub(super) version: i64,
    /// Sealed document without the hidden answers.
    pub(super) document: &'a [u8],
    /// Places of the answers that were dropped.
    pub(super) dropped: &'a [String],
    /// Rows of answers and scores that are no protected health information.
    pub(super) answers: &'a Value,
}

/// Submits a draft that the transaction has locked; returns the time of the submission.
pub(super) async fn form_submit(tx: &mut WriteTx, new: &Submission<'_>) -> Result<DateTime<Utc>, DatabaseError> {
    let at = sqlx::query_scalar!(
        r#"
        with written as (
            update forms f
            set status = 'submitted', version = $2, document_encrypted = $3, submitted_at = now(), updated_at = now()
            where f.organization_id = (select context_organization()) and f.id = $1 and f.status = 'draft'
            returning f.organization_id, f.id, f.version, f.patient_id, f.form_template_id, f.form_template_version,
                      f.submitted_at
        ), changed as (
            insert into form_changes (organization_id, form_id, form_version, patient_id, kind, fields,
                                      form_template_version)
            select w.organization_id, w.id, w.version, w.patient_id, 'submitted', $4, w.form_template_version
            from written w
        ), answered as (
            insert into form_answers (organization_id, form_id, patient_id, form_template_id, key, group_key, entry,
                                      is_score, custom_field_id, text_value, number_value, boolean_value, date_value,
                                      time_value, datetime_value, choices_value, band)
            select w.organization_id, w.id, w.patient_id, w.form_template_id, n.key, n.group_key, n.entry, n.is_score,
                   n.custom_field_id, n.text_value, n.number_value, n.boolean_value, n.date_value, n.time_value,
                   n.datetime_value, n.choices_value, n.band
            from written w,
                 jsonb_to_recordset($5) as n (key text, group_key text, entry uuid, is_score boolean,
                                              custom_field_id bigint, text_value text, number_value numeric,
                                              boolean_value boolean, date_value date, time_value time,
                                              datetime_value timestamptz, choices_value text[], band text)
        )
        select w.submitted_at as "submitted_at!" from written w
        "#,
        new.form.0,
        new.version,
        new.document,
        kept(new.dropped),
        new.answers
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(at)
}
