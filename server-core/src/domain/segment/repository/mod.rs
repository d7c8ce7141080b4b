mod evaluation;
mod known;
mod member;

pub(super) use evaluation::{
    Swapped, evaluation_limit, segment_defer, segment_invalidate, segment_judge, segment_settle, segment_swap,
    segment_truths, segments_due, segments_mark,
};
pub(super) use known::known_load;
pub(super) use member::{
    ExampleRow, MemberRow, examples_get, history_page, member_rows, membership_get, patient_seen, patient_segment_rows,
};

use chrono::{DateTime, Utc};
use poem_openapi::types::ParseFromJSON as _;
use serde_json::{Value, json};
use server_shared::{
    error::FieldFault,
    http::{Paging, Total},
    value::NameKeys,
};

use super::{
    engine::{Referred, SegmentRule, Source},
    error::SegmentError,
    model::{Segment, SegmentFault, SegmentInput, SegmentSort, SegmentState},
};
use crate::{
    database::{DatabaseError, Listed, OpenReader, Tx, WriteTx, broken_constraint},
    ids::{OrganizationId, SegmentId},
};

/// Maximum number of segments of an organization.
const MOST: i64 = 200;

/// Stored segment.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct SegmentRow {
    pub(super) id: SegmentId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) rule: Value,
    pub(super) version: i64,
    pub(super) rule_version: i32,
    pub(super) state: SegmentState,
    pub(super) faults: Value,
    /// `None` if the caller doesn't see every patient.
    pub(super) member_count: Option<i64>,
    pub(super) missing_count: Option<i64>,
    pub(super) evaluated_at: Option<DateTime<Utc>>,
    pub(super) evaluated_rule_version: Option<i32>,
    pub(super) evaluations: i64,
    pub(super) due_at: DateTime<Utc>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl Listed for SegmentRow {
    const TABLE: &'static str = "segments";
    const COLUMNS: &'static str = "id, name, description, rule, version, rule_version, state, faults, \
                                   case when (select context_role() <> 'specialist') then member_count end \
                                       as member_count, \
                                   case when (select context_role() <> 'specialist') then missing_count end \
                                       as missing_count, \
                                   evaluated_at, evaluated_rule_version, evaluations, due_at, created_at, updated_at";
    const PRESENT: &'static str = "true";
}

impl SegmentRow {
    /// Returns the rule.
    pub(super) fn rule(&self) -> Result<SegmentRule, DatabaseError> {
        // The error's message may repeat what was written.
        SegmentRule::parse_from_json(Some(self.rule.clone()))
            .map_err(|_| DatabaseError::Damaged(format!("the rule of segment {} can't be read", self.id)))
    }

    /// Returns the faults of the rule.
    pub(super) fn faults(&self) -> Result<Vec<SegmentFault>, DatabaseError> {
        Vec::<SegmentFault>::parse_from_json(Some(self.faults.clone()))
            .map_err(|_| DatabaseError::Damaged(format!("the faults of segment {} can't be read", self.id)))
    }

    /// Returns `true` if the segment says already that its rule has these faults.
    pub(super) fn says(&self, faults: &Value) -> bool {
        self.state == SegmentState::Invalid && self.faults == *faults
    }

    /// Returns `true` if the members are those of the present rule.
    pub(super) fn is_current(&self) -> bool {
        self.state == SegmentState::Valid && self.evaluated_rule_version == Some(self.rule_version)
    }
}

impl TryFrom<SegmentRow> for Segment {
    type Error = DatabaseError;

    fn try_from(row: SegmentRow) -> Result<Self, DatabaseError> {
        let (rule, faults) = (row.rule()?, row.faults()?);
        Ok(Self {
            id: row.id,
            name: row.name,
            description: row.description,
            rule,
            version: row.version,
            rule_version: row.rule_version,
            state: row.state,
            faults,
            member_count: row.member_count,
            missing_count: row.missing_count,
            evaluated_at: row.evaluated_at,
            evaluated_rule_version: row.evaluated_rule_version,
            due_at: row.due_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Writes faults as they are stored: the first ones, in their order.
pub(super) fn faults_json(faults: &[FieldFault]) -> Value {
    let listed = faults.iter().take(server_shared::error::FAULTS_LISTED);
    listed.map(|fault| json!({ "pointer": fault.pointer, "rule": fault.rule, "message": fault.message })).collect()
}

/// Rule as it is stored, with everything that follows from it.
pub(super) struct NewRule {
    pub(super) rule: Value,
    sources: Vec<String>,
    fields: Vec<Option<i64>>,
    forms: Vec<Option<i64>>,
    appointments: Vec<Option<i64>>,
    segments: Vec<Option<i64>>,
}

impl NewRule {
    pub(super) fn new(rule: Value, sources: impl IntoIterator<Item = Source>, referred: &Referred) -> Self {
        let mut new = Self {
            rule,
            sources: sources.into_iter().map(|source| source.as_str().to_owned()).collect(),
            fields: Vec::new(),
            forms: Vec::new(),
            appointments: Vec::new(),
            segments: Vec::new(),
        };
        let mut forms: Vec<i64> = referred.forms.iter().map(|form| form.template.0).collect();
        forms.dedup();
        referred.fields.iter().for_each(|id| new.refer([Some(id.0), None, None, None]));
        for id in forms {
            new.refer([None, Some(id), None, None]);
        }
        referred.appointment_templates.iter().for_each(|id| new.refer([None, None, Some(id.0), None]));
        referred.segments.iter().for_each(|id| new.refer([None, None, None, Some(id.0)]));
        new
    }

    fn refer(&mut self, [field, form, appointment, segment]: [Option<i64>; 4]) {
        self.fields.push(field);
        self.forms.push(form);
        self.appointments.push(appointment);
        self.segments.push(segment);
    }
}

/// Expands to a checked statement that returns the segment that its first part, named `written`, wrote.
macro_rules! segment_written {
    ($statement:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            SegmentRow,
            $statement
                + r#"
        select w.id as "id!: SegmentId", w.name as "name!", w.description as "description!", w.rule as "rule!",
               w.version as "version!", w.rule_version as "rule_version!", w.state as "state!: SegmentState",
               w.faults as "faults!", w.member_count as "member_count?", w.missing_count as "missing_count?",
               w.evaluated_at as "evaluated_at?", w.evaluated_rule_version as "evaluated_rule_version?",
               w.evaluations as "evaluations!", w.due_at as "due_at!", w.created_at as "created_at!",
               w.updated_at as "updated_at!"
        from written w
        "#,
            $($arguments)*
        )
    };
}

pub(super) async fn segment_page(
    reader: &mut OpenReader,
    sort: SegmentSort,
    paging: Paging,
) -> Result<(Vec<SegmentRow>, Total), DatabaseError> {
    let order = match sort {
        SegmentSort::Name => "name_sort, id",
        SegmentSort::NameDescending => "name_sort desc nulls last, id desc",
    };
    reader.list().rows(order, paging).await
}

/// Creates a segment; `None` if the organization has as many as it may have.
pub(super) async fn segment_create(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &SegmentInput,
    new: &NewRule,
) -> Result<Option<SegmentRow>, SegmentError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    segment_written!(
        r#"
        with written as (
            insert into segments (organization_id, name, description, rule, sources, name_folded, name_sort,
                                  name_keys_version)
            select $1, $2, $3, $4, $5, $6, $7, $8
            where (select count(*) from segments where organization_id = $1) < $9
            returning *
        ), referred as (
            insert into segment_references (organization_id, segment_id, custom_field_id, form_template_id,
                                            appointment_template_id, referred_segment_id)
            select w.organization_id, w.id, r.field, r.form, r.appointment, r.segment
            from written w,
                 unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
                     as r (field, form, appointment, segment)
        )
        "#,
        organization.0,
        input.name.as_str(),
        input.description.as_str(),
        new.rule,
        &new.sources,
        keys.folded,
        keys.sort,
        keys.version,
        MOST,
        &new.fields as &[Option<i64>],
        &new.forms as &[Option<i64>],
        &new.appointments as &[Option<i64>],
        &new.segments as &[Option<i64>]
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_constraint)
}

/// Replaces the properties of a segment that the transaction has locked; `is_new` says that the rule is another one. If
/// that one doesn't read all that the rule before read, what was found before is for administrators alone.
pub(super) async fn segment_update(
    tx: &mut WriteTx,
    id: SegmentId,
    input: &SegmentInput,
    new: &NewRule,
    is_new: bool,
) -> Result<Option<SegmentRow>, SegmentError> {
    let keys = NameKeys::of(&[input.name.as_str()]);
    segment_written!(
        r#"
        with compared as (
            select not s.sources <@ $5
                   or exists (
                       select from segment_references d
                       where d.organization_id = s.organization_id and d.segment_id = s.id
                         and not exists (
                             select from unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
                                         as r (field, form, appointment, segment)
                             where (r.field, r.form, r.appointment, r.segment)
                                   is not distinct from (d.custom_field_id, d.form_template_id,
                                                         d.appointment_template_id, d.referred_segment_id))) as less
            from segments s
            where s.id = $1
        ), written as (
            update segments
            set name = $2, description = $3, rule = $4, sources = $5, name_sort = $7, name_keys_version = $8,
                -- Of two that have become equal, one goes without the key until it is renamed.
                name_folded = case when name is distinct from $2 or name_keys_version is null then $6
                                   else name_folded end,
                version = version + 1, rule_version = rule_version + case when $9 then 1 else 0 end,
                shown_from = case when $9 and (select c.less from compared c) then rule_version + 1 else shown_from end,
                due_at = case when $9 or state = 'invalid' then now() else due_at end, state = 'valid', faults = '[]',
                updated_at = now()
            where id = $1
            returning *
        ), no_longer_referred as (
            delete from segment_references d
            using written w
            where d.organization_id = w.organization_id and d.segment_id = w.id
              and not exists (
                  select from unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
                              as r (field, form, appointment, segment)
                  where (r.field, r.form, r.appointment, r.segment)
                        is not distinct from (d.custom_field_id, d.form_template_id, d.appointment_template_id,
                                              d.referred_segment_id))
        ), referred as (
            insert into segment_references (organization_id, segment_id, custom_field_id, form_template_id,
                                            appointment_template_id, referred_segment_id)
            select w.organization_id, w.id, r.field, r.form, r.appointment, r.segment
            from written w,
                 unnest($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
                     as r (field, form, appointment, segment)
            on conflict do nothing
        )
        "#,
        id.0,
        input.name.as_str(),
        input.description.as_str(),
        new.rule,
        &new.sources,
        keys.folded,
        keys.sort,
        keys.version,
        is_new,
        &new.fields as &[Option<i64>],
        &new.forms as &[Option<i64>],
        &new.appointments as &[Option<i64>],
        &new.segments as &[Option<i64>]
    )
    .fetch_optional(tx.connection()?)
    .await
    .map_err(on_constraint)
}

/// Deletes a segment with its members and their history; `false` if there is none.
pub(super) async fn segment_delete(tx: &mut WriteTx, id: SegmentId) -> Result<bool, SegmentError> {
    let done = sqlx::query!("delete from segments where id = $1", id.0).execute(tx.connection()?).await;
    Ok(done.map_err(on_constraint)?.rows_affected() == 1)
}

fn on_constraint(error: sqlx::Error) -> SegmentError {
    match broken_constraint(&error) {
        Some("segments_folded_key") => SegmentError::NameTaken,
        Some("segment_references_referred_fkey") => SegmentError::InUse,
        _ => DatabaseError::from(error).into(),
    }
}
