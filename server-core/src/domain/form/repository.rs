use chrono::{DateTime, Utc};
use serde_json::Value;
use server_shared::http::{Page, Paging};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    history::kept,
    model::{FormFilter, FormHistoryKind, FormSort, FormStatus, FormSummary},
    row::FormRow,
    signature::FormSignature,
};
use crate::{
    database::{DatabaseError, First, Listed, Literal, OpenReader, Prepared, Tx, WriteTx, one_row},
    ids::{FormId, FormTemplateId, OrganizationId, PatientId, UserId},
};

/// Columns of a [`FormSummary`].
macro_rules! summary_columns {
    () => {
        "id, uid, \
         coalesce((select m.owner_id from patient_merges m \
                   where m.organization_id = forms.organization_id and m.patient_id = forms.patient_id), \
                  patient_id) as patient_id, \
         (select l.appointment_id from appointment_forms l \
          where l.organization_id = forms.organization_id and l.form_id = forms.id) as appointment_id, \
         form_template_id, form_template_version, name, \
         case when exists (select from form_voids v \
                           where v.organization_id = forms.organization_id and v.form_id = forms.id) \
              then 'void' else status end as status, \
         version, language, due_at, overdue_at, amends_id, \
         (select (array_agg(a.id order by a.id desc))[1] from forms a \
          where a.amends_id = forms.id \
            and not exists (select from form_voids v \
                            where v.organization_id = a.organization_id and v.form_id = a.id)) as amended_by_id, \
         encode(content_hash, 'hex') as content_hash, created_by_user_id, created_at, updated_at, submitted_at, \
         signed_at, \
         (select v.voided_at from form_voids v \
          where v.organization_id = forms.organization_id and v.form_id = forms.id) as voided_at"
    };
}

impl Listed for FormSummary {
    const TABLE: &'static str = "forms";
    const COLUMNS: &'static str = summary_columns!();
    const PRESENT: &'static str = "true";
}

impl Listed for FormRow {
    const TABLE: &'static str = "forms";
    const COLUMNS: &'static str = concat!(
        summary_columns!(),
        ", data_key_id, \
         (select k.wrapped from data_keys k \
          where k.organization_id = forms.organization_id and k.id = forms.data_key_id) as wrapped, \
         document_encrypted, content_encrypted, \
         (select v.reason_encrypted from form_voids v \
          where v.organization_id = forms.organization_id and v.form_id = forms.id) as void_reason_encrypted, \
         (select v.uid from form_voids v \
          where v.organization_id = forms.organization_id and v.form_id = forms.id) as void_uid"
    );
    const PRESENT: &'static str = "true";
}

/// Subquery of the forms of a patient, those of records that were merged into it included.
const OF_PATIENT: &str = "select f.id from patient_records r \
                          join forms f on f.organization_id = r.organization_id and f.patient_id = r.patient_id \
                          where r.owner_id =";
/// Subquery of the forms of an appointment.
const OF_APPOINTMENT: &str = "select l.form_id from appointment_forms l where l.appointment_id =";
/// Subquery of the void forms of an organization.
const VOID: &str = "select v.form_id from form_voids v where v.organization_id =";
/// Comparison of forms that are not void.
const NOT_VOID: &str = "(not exists (select from form_voids v \
                         where v.organization_id = forms.organization_id and v.form_id = forms.id)) =";

pub(super) async fn form_page(
    reader: &mut OpenReader,
    organization: OrganizationId,
    filter: &FormFilter,
    sort: FormSort,
    paging: Paging,
) -> Result<Page<FormSummary>, DatabaseError> {
    // Ids increase with time.
    let order = match sort {
        FormSort::CreatedDescending => "id desc",
        FormSort::Created => "id",
    };
    // A patient sees its own forms alone; the condition lets an index find them.
    let (own_patient, _) = reader.own_records();
    let is_void = filter.status == Some(FormStatus::Void);
    let status = filter.status.filter(|_| !is_void);
    reader
        .list()
        .among(OF_PATIENT, own_patient)
        .among(OF_PATIENT, filter.patient)
        .among(OF_APPOINTMENT, filter.appointment)
        .among(VOID, is_void.then_some(organization))
        .filter("form_template_id =", filter.template)
        .filter("form_template_version =", filter.template_version)
        .filter("status =", status)
        .filter(NOT_VOID, status.map(|_| true))
        .page(order, paging)
        .await
}

/// Reads a form that the caller sees, in a transaction that discloses it or writes.
pub(super) async fn form_get(tx: &mut impl Tx, id: FormId) -> Result<Option<FormRow>, DatabaseError> {
    let sql = format!("select {} from {} where id = $1", FormRow::COLUMNS, FormRow::TABLE);
    let row = sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(tx.connection()?).await?;
    Ok(row)
}

/// Lock of a form against other writes.
const HOLD: &str = "select id from forms where id = $1 for no key update";

/// Returns the statement that locks a form, for the begin of a transaction that goes on with [`form_lock`].
pub(super) fn form_hold_first(id: FormId) -> First {
    const FIRST: Prepared = Prepared { name: "form_hold", sql: || HOLD.to_owned() };
    First::new(FIRST, &[Literal::Number(Some(id.0))])
}

/// Locks a form, unless the begin of the transaction has done so, and reads it; `None` if there is none that the caller
/// may change.
///
/// Reads in a statement of its own, which sees everything that the writes have left for which the lock has waited: the
/// rows beside the form, too.
pub(super) async fn form_lock(tx: &mut WriteTx, id: FormId) -> Result<Option<FormRow>, DatabaseError> {
    let held: Option<(i64,)> = match tx.first() {
        Some(held) => held?,
        None => sqlx::query_as(HOLD).bind(id.0).fetch_optional(tx.connection()?).await?,
    };
    if held.is_none() {
        return Ok(None);
    }
    form_get(tx, id).await
}

/// Signature as it is stored.
struct SignatureRow {
    statement: Value,
    hash: String,
}

/// Reads the signatures of a form in their order.
pub(super) async fn signatures_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: FormId,
) -> Result<Vec<FormSignature>, DatabaseError> {
    let rows = sqlx::query_as!(
        SignatureRow,
        r#"
        select statement, encode(statement_hash, 'hex') as "hash!" from form_signatures
        where organization_id = $1 and form_id = $2
        order by position
        "#,
        organization.0,
        id.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    rows.into_iter().map(|row| FormSignature::stored(row.statement, row.hash)).collect()
}

/// Version of a template that new forms ask.
pub(super) struct LatestRow {
    /// `None` before the first version.
    pub(super) version: Option<i32>,
    pub(super) name: String,
    pub(super) archived: bool,
}

/// Finds the version of a template that new forms ask; `None` if there is no such template.
pub(super) async fn template_latest(
    tx: &mut impl Tx,
    template: FormTemplateId,
) -> Result<Option<LatestRow>, DatabaseError> {
    let latest = sqlx::query_as!(
        LatestRow,
        r#"
        select t.version as "version?", t.name as "name!", t.archived as "archived!"
        from form_template_latest($1) t
        "#,
        template.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(latest)
}

/// Reads the content of a version and its hash.
pub(super) async fn template_content(
    tx: &mut impl Tx,
    template: FormTemplateId,
    version: i32,
) -> Result<Option<(Value, Vec<u8>)>, DatabaseError> {
    let row = sqlx::query!(
        r#"
        select v.content as "content!", v.content_hash as "content_hash!" from form_template_content($1, $2) v
        "#,
        template.0,
        version
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(row.map(|row| (row.content, row.content_hash)))
}

/// Content of a version of a template.
pub(super) struct ContentRow {
    pub(super) template: FormTemplateId,
    pub(super) version: i32,
    pub(super) content: Value,
    pub(super) hash: Vec<u8>,
}

/// Reads the contents of several versions and their hashes.
pub(super) async fn template_contents(
    tx: &mut impl Tx,
    wanted: &[(FormTemplateId, i32)],
) -> Result<Vec<ContentRow>, DatabaseError> {
    let (templates, versions): (Vec<i64>, Vec<i32>) = wanted.iter().map(|(id, version)| (id.0, *version)).unzip();
    let rows = sqlx::query_as!(
        ContentRow,
        r#"
        select i.template as "template!: FormTemplateId", i.version as "version!", v.content as "content!",
               v.content_hash as "hash!"
        from unnest($1::bigint[], $2::integer[]) as i (template, version)
        cross join lateral form_template_content(i.template, i.version) v
        "#,
        &templates,
        &versions
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(rows)
}

/// Key of a patient.
pub(super) struct PatientKey {
    pub(super) data_key_id: Uuid,
    pub(super) wrapped: Vec<u8>,
}

/// Finds a patient whom the caller sees, with its key.
pub(super) async fn patient_key(
    tx: &mut impl Tx,
    organization: OrganizationId,
    patient: PatientId,
) -> Result<Option<PatientKey>, DatabaseError> {
    let key = sqlx::query_as!(
        PatientKey,
        r#"
        select p.data_key_id, k.wrapped
        from patients p
        join data_keys k on k.organization_id = p.organization_id and k.id = p.data_key_id
        where p.organization_id = $1 and p.id = $2 and p.deleted_at is null
        "#,
        organization.0,
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(key)
}

/// Form to be stored.
pub(super) struct NewRow<'a> {
    pub(super) uid: Uuid,
    pub(super) patient: PatientId,
    pub(super) data_key_id: Uuid,
    pub(super) template: FormTemplateId,
    pub(super) template_version: i32,
    pub(super) name: &'a str,
    pub(super) language: &'a str,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) document: &'a [u8],
}

/// Values that the database sets in a new form.
pub(super) struct CreatedRow {
    pub(super) id: FormId,
    pub(super) created_by_user_id: Option<UserId>,
    pub(super) created_at: DateTime<Utc>,
}

/// Inserts a form; `None` if its patient was erased in the meantime.
pub(super) async fn form_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    new: &NewRow<'_>,
) -> Result<Option<CreatedRow>, DatabaseError> {
    let created = sqlx::query_as!(
        CreatedRow,
        r#"
        insert into forms (organization_id, uid, patient_id, data_key_id, form_template_id, form_template_version, name,
                           language, due_at, document_encrypted)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        returning id as "id: FormId", created_by_user_id as "created_by_user_id: UserId", created_at
        "#,
        organization.0,
        new.uid,
        new.patient.0,
        new.data_key_id,
        new.template.0,
        new.template_version,
        new.name,
        new.language,
        new.due_at,
        new.document
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(created)
}

/// Change of a form, for its history.
pub(super) struct ChangeRow<'a> {
    pub(super) form_id: FormId,
    /// Version of the form that the change made.
    pub(super) form_version: i64,
    pub(super) kind: FormHistoryKind,
    /// Places of the answers that changed.
    pub(super) fields: &'a [String],
    /// Version of the template that the form asks then.
    pub(super) form_template_version: i32,
}

/// Adds a change to the history of a form.
pub(super) async fn change_insert(
    tx: &mut WriteTx,
    organization: OrganizationId,
    change: &ChangeRow<'_>,
) -> Result<(), DatabaseError> {
    let done = sqlx::query!(
        r#"
        insert into form_changes (organization_id, form_id, form_version, patient_id, kind, fields,
                                  form_template_version)
        select $1, f.id, $3, f.patient_id, $4, $5, $6
        from forms f
        where f.organization_id = $1 and f.id = $2
        "#,
        organization.0,
        change.form_id.0,
        change.form_version,
        change.kind as FormHistoryKind,
        kept(change.fields),
        change.form_template_version
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// Answers of a form to be stored.
pub(super) struct SavedRow<'a> {
    pub(super) id: FormId,
    /// Version of the form that the save makes.
    pub(super) version: i64,
    pub(super) document: &'a [u8],
    pub(super) language: &'a str,
    /// `true` if the form was submitted.
    pub(super) reopens: bool,
    /// Places of the answers that changed.
    pub(super) fields: &'a [String],
}

/// Stores the answers of a locked form, which is a draft then, and the change in its history; returns the time.
pub(super) async fn form_save(tx: &mut WriteTx, saved: &SavedRow<'_>) -> Result<DateTime<Utc>, DatabaseError> {
    let kind = if saved.reopens { FormHistoryKind::Reopened } else { FormHistoryKind::Saved };
    let updated_at = sqlx::query_scalar!(
        r#"
        with saved as (
            update forms
            set version = $2, document_encrypted = $3, language = $4, status = 'draft', submitted_at = null,
                updated_at = now()
            where id = $1
            returning organization_id, id, version, patient_id, form_template_version, updated_at
        ), no_longer_submitted as (
            delete from form_answers a
            using saved s
            where $5::boolean and a.organization_id = s.organization_id and a.form_id = s.id
        ), changed as (
            insert into form_changes (organization_id, form_id, form_version, patient_id, kind, fields,
                                      form_template_version)
            select s.organization_id, s.id, s.version, s.patient_id, $6::text, $7::text[], s.form_template_version
            from saved s
        )
        select s.updated_at as "updated_at!" from saved s
        "#,
        saved.id.0,
        saved.version,
        saved.document,
        saved.language,
        saved.reopens,
        kind as FormHistoryKind,
        kept(saved.fields)
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(updated_at)
}

/// Deletes a locked draft, with its history.
pub(super) async fn form_delete(tx: &mut WriteTx, id: FormId) -> Result<(), DatabaseError> {
    let done = sqlx::query!("delete from forms where id = $1", id.0).execute(tx.connection()?).await?;
    one_row(&done)
}
