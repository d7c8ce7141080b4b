//! Evaluations, and what makes them due.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row as _;

use crate::{
    database::{Across, DatabaseError, Tx, WriteTx, one_row},
    domain::segment::{
        engine::{Compiled, Known, Statement},
        repository::SegmentRow,
        touched::Touched,
    },
    ids::{OrganizationId, PatientId, SegmentId},
};

/// Number of patients who are named of those who came, and of those who went.
const NAMED: &str = "100";
/// Number of examples of a preview.
const EXAMPLES: &str = "10";
/// Number of segments that a sweep finds.
const SWEPT: i64 = 1000;

/// Outcome of an evaluation.
#[derive(Debug)]
pub(in crate::domain::segment) struct Swapped {
    pub(in crate::domain::segment) members: i64,
    pub(in crate::domain::segment) missing: i64,
    pub(in crate::domain::segment) joined: i64,
    pub(in crate::domain::segment) left: i64,
    /// First patients who became members, and first who are none any more.
    pub(in crate::domain::segment) joined_ids: Vec<PatientId>,
    pub(in crate::domain::segment) left_ids: Vec<PatientId>,
}

/// Patients for whom a rule is true.
#[derive(Debug)]
pub(in crate::domain::segment) struct Judged {
    pub(in crate::domain::segment) members: i64,
    pub(in crate::domain::segment) missing: i64,
    pub(in crate::domain::segment) patients: i64,
    pub(in crate::domain::segment) examples: Vec<i64>,
}

/// Bounds the time and sets the memory of the statement that finds the patients, for the rest of the transaction.
/// Compiling a plan to machine code takes longer than it saves.
pub(in crate::domain::segment) async fn evaluation_limit(tx: &mut impl Tx) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        select set_config('statement_timeout', '25s', true) as timeout, set_config('work_mem', '64MB', true) as memory,
               set_config('jit', 'off', true) as jit
        "#
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(())
}

/// Swaps the members of a segment that the transaction has locked: one statement finds the patients, inserts and
/// deletes the difference, writes the history, and states the evaluation.
pub(in crate::domain::segment) async fn segment_swap(
    tx: &mut WriteTx,
    organization: OrganizationId,
    row: &SegmentRow,
    compiled: &Compiled,
    known: &Known,
) -> Result<Swapped, DatabaseError> {
    let (id, now, evaluation) = (row.id.0, known.now, row.evaluations + 1);
    let mut sql = Statement::of(organization);
    sql.push("with judged as materialized (select j.patient_id, j.verdict from (");
    compiled.judged(&mut sql);
    sql.push(") j where j.verdict is not false), ");
    sql.push("standing as materialized (select m.patient_id from segment_members m where m.organization_id = $1 ");
    sql.push("and m.segment_id = ").bind(id).push("::bigint), ");
    sql.push("came as (insert into segment_members (organization_id, segment_id, patient_id, joined_at) select $1, ");
    sql.bind(id).push("::bigint, d.patient_id, ").bind(now).push("::timestamptz ");
    sql.push("from (select j.patient_id from judged j where j.verdict except select s.patient_id from standing s) d ");
    // In the order of the index.
    sql.push("order by d.patient_id ");
    sql.push("returning patient_id), ");
    // Compared with a hash table. An array of those who leave could get a plan that searches it for each member instead
    // of the index for each element: until version 16, PostgreSQL takes such arrays to be short.
    sql.push("gone as (delete from segment_members m where m.organization_id = $1 and m.segment_id = ");
    sql.bind(id).push("::bigint and m.patient_id not in (select j.patient_id from judged j where j.verdict) ");
    sql.push("returning m.patient_id), ");
    sql.push("told as (insert into segment_history (organization_id, segment_id, patient_id, kind, evaluation, ");
    sql.push("rule_version, happened_at) select $1, ").bind(id).push("::bigint, c.patient_id, c.kind, ");
    sql.bind(evaluation).push("::bigint, ").bind(row.rule_version).push("::integer, ").bind(now);
    sql.push("::timestamptz from (select g.patient_id, 'left' as kind from gone g union all ");
    sql.push("select n.patient_id, 'joined' from came n) c order by c.kind desc, c.patient_id) ");
    sql.push("update segments set state = 'valid', faults = '[]', evaluated_at = ").bind(now);
    sql.push("::timestamptz, evaluated_rule_version = ").bind(row.rule_version).push("::integer, evaluations = ");
    sql.bind(evaluation).push("::bigint, due_at = ").bind(next_due(row, known)).push("::timestamptz, ");
    sql.push("shown_at = case when evaluated_rule_version < shown_from then ").bind(now);
    sql.push("::timestamptz else shown_at end, ");
    sql.push("member_count = (select count(*) from judged j where j.verdict), ");
    sql.push("missing_count = (select count(*) from judged j where j.verdict is null) ");
    sql.push("where organization_id = $1 and id = ").bind(id).push("::bigint returning member_count, missing_count, ");
    sql.push("(select count(*) from came) as joined_count, (select count(*) from gone) as left_count, ");
    sql.push("array(select n.patient_id from came n order by n.patient_id limit ")
        .push(NAMED)
        .push(") as joined_ids, ");
    sql.push("array(select g.patient_id from gone g order by g.patient_id limit ").push(NAMED).push(") as left_ids");
    let rows = sql.fetch(tx).await?;
    let swapped = rows.first().ok_or_else(|| DatabaseError::Damaged(format!("segment {} is not there", row.id)))?;
    Ok(Swapped {
        members: swapped.try_get("member_count")?,
        missing: swapped.try_get("missing_count")?,
        joined: swapped.try_get("joined_count")?,
        left: swapped.try_get("left_count")?,
        joined_ids: patients(swapped.try_get("joined_ids")?),
        left_ids: patients(swapped.try_get("left_ids")?),
    })
}

fn patients(ids: Vec<i64>) -> Vec<PatientId> {
    ids.into_iter().map(PatientId).collect()
}

/// Returns the time at which a segment that has been evaluated is due again. A rule that is new is evaluated once more
/// after a while: until processes hear of the segment, their changes may not make it due.
fn next_due(row: &SegmentRow, known: &Known) -> DateTime<Utc> {
    const HEARD_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(1);
    if row.is_current() { known.tomorrow() } else { known.tomorrow().min(known.now + HEARD_AFTER) }
}

/// States an evaluation in the background that has changed nothing, unless the segment has become due again meanwhile.
pub(in crate::domain::segment) async fn segment_settle(
    across: &Across,
    organization: OrganizationId,
    row: &SegmentRow,
    swapped: &Swapped,
    known: &Known,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        r#"
        update segments set evaluated_at = $4, missing_count = $5, due_at = $6
        where organization_id = $1 and id = $2 and due_at = $3
        "#,
        organization.0,
        row.id.0,
        row.due_at,
        known.now,
        swapped.missing,
        next_due(row, known)
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// States when a rule that still can't be evaluated is tried again, unless the segment has become due meanwhile.
pub(in crate::domain::segment) async fn segment_defer(
    across: &Across,
    organization: OrganizationId,
    row: &SegmentRow,
    due_at: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update segments set due_at = $4 where organization_id = $1 and id = $2 and due_at = $3",
        organization.0,
        row.id.0,
        row.due_at,
        due_at
    )
    .execute(across.pool())
    .await?;
    Ok(())
}

/// States that the rule of a segment, which the transaction has locked, can't be evaluated until something changes.
pub(in crate::domain::segment) async fn segment_invalidate(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: SegmentId,
    faults: &Value,
    due_at: DateTime<Utc>,
) -> Result<(), DatabaseError> {
    let done = sqlx::query!(
        "update segments set state = 'invalid', faults = $3, due_at = $4 where organization_id = $1 and id = $2",
        organization.0,
        id.0,
        faults,
        due_at
    )
    .execute(tx.connection()?)
    .await?;
    one_row(&done)
}

/// Finds the patients for whom a rule is true, and changes nothing.
pub(in crate::domain::segment) async fn segment_judge(
    tx: &mut impl Tx,
    organization: OrganizationId,
    compiled: &Compiled,
) -> Result<Judged, DatabaseError> {
    let mut sql = Statement::of(organization);
    sql.push("with judged as materialized (");
    compiled.judged(&mut sql);
    sql.push(") select count(*) filter (where j.verdict) as members, ");
    sql.push("count(*) filter (where j.verdict is null) as missing, count(*) as patients, ");
    sql.push("array(select e.patient_id from judged e where e.verdict order by e.patient_id limit ").push(EXAMPLES);
    sql.push(") as examples from judged j");
    let rows = sql.fetch(tx).await?;
    let judged = rows.first().ok_or_else(|| DatabaseError::Damaged("a count has no row".to_owned()))?;
    Ok(Judged {
        members: judged.try_get("members")?,
        missing: judged.try_get("missing")?,
        patients: judged.try_get("patients")?,
        examples: judged.try_get("examples")?,
    })
}

/// Returns the results of the conditions that have a value for a patient, by their number.
pub(in crate::domain::segment) async fn segment_truths(
    tx: &mut impl Tx,
    organization: OrganizationId,
    compiled: &Compiled,
    patient: PatientId,
) -> Result<BTreeMap<usize, Option<bool>>, DatabaseError> {
    let mut sql = Statement::of(organization);
    compiled.truths(&mut sql, patient);
    let mut truths = BTreeMap::new();
    for row in sql.fetch(tx).await? {
        let leaf: i32 = row.try_get("leaf")?;
        truths.insert(usize::try_from(leaf).unwrap_or_default(), row.try_get("truth")?);
    }
    Ok(truths)
}

/// Returns the segments of all organizations that are due, those first that have been for longest.
pub(in crate::domain::segment) async fn segments_due(
    across: &Across,
) -> Result<Vec<(OrganizationId, SegmentId)>, DatabaseError> {
    let due = sqlx::query!(
        r#"
        select organization_id as "organization_id: OrganizationId", id as "id: SegmentId" from segments
        where due_at <= now()
        order by due_at
        limit $1
        "#,
        SWEPT
    )
    .fetch_all(across.pool())
    .await?;
    Ok(due.into_iter().map(|row| (row.organization_id, row.id)).collect())
}

/// Makes the segments of an organization due that read what was changed; returns their number. Those whose evaluation
/// has failed are tried again at the time that was set then: a change of a row makes no rule faster.
///
/// Writes those that are due already, too: an evaluation that has read before the change and ends after it compares the
/// time, and leaves the segment due.
pub(in crate::domain::segment) async fn segments_mark(
    across: &Across,
    organization: OrganizationId,
    touched: Touched,
) -> Result<u64, DatabaseError> {
    let (source, field, form, segment) = touched.parts();
    let done = sqlx::query!(
        r#"
        update segments s set due_at = now()
        -- in an array, in the order in which everybody locks several segments; a row that an evaluation has locked is
        -- waited for, because that one may not have seen the change
        where s.organization_id = $1 and s.id = any(array(
            select d.id from segments d
            where d.organization_id = $1
              and (d.faults -> 0 ->> 'rule' in ('too_slow', 'evaluation_failed')) is not true
              and ($2::text is null or $2 = any(d.sources))
              and ($3::bigint is null
                   or exists (select from segment_references r
                              where r.organization_id = $1 and r.segment_id = d.id and r.custom_field_id = $3))
              and ($4::bigint is null
                   or exists (select from segment_references r
                              where r.organization_id = $1 and r.segment_id = d.id and r.form_template_id = $4))
              and ($5::bigint is null
                   or exists (select from segment_references r
                              where r.organization_id = $1 and r.segment_id = d.id and r.referred_segment_id = $5))
            order by d.id
            for no key update))
        "#,
        organization.0,
        source,
        field,
        form,
        segment
    )
    .execute(across.pool())
    .await?;
    Ok(done.rows_affected())
}
