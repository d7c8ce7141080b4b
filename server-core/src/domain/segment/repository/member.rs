//! Members of segments, and their history.

use chrono::{DateTime, Utc};
use server_shared::http::{Page, Paging, Total};

use crate::{
    database::{DatabaseError, DiscloseTx, Listed, OpenReader, Sealed, Tx},
    domain::segment::member_model::{PatientSegment, SegmentHistoryEntry},
    ids::{OrganizationId, PatientId, SegmentId, SpecialistId},
};

/// Members whom a specialist treats or has treated; policies decide about each. Without the condition, all members
/// would be read and asked about, one by one.
const MEMBERS_OF_SPECIALIST: &str = "select m.id from appointments a \
     join segment_members m on m.organization_id = a.organization_id and m.patient_id = a.patient_id \
     where a.specialist_id =";
/// Entries about patients whom a specialist treats or has treated.
const HISTORY_OF_SPECIALIST: &str = "select h.id from appointments a \
     join segment_history h on h.organization_id = a.organization_id and h.patient_id = a.patient_id \
     where a.specialist_id =";

/// Stored member.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::domain::segment) struct MemberRow {
    pub(in crate::domain::segment) patient_id: PatientId,
    pub(in crate::domain::segment) first_name: String,
    pub(in crate::domain::segment) last_name: String,
    pub(in crate::domain::segment) joined_at: DateTime<Utc>,
}

/// Time since which a patient is a member. Other roles than administrators don't see that it was one already by a rule
/// that read something else.
macro_rules! joined_at {
    () => {
        "case when (select context_role() = 'admin') then joined_at \
              else greatest(joined_at, (select s.shown_at from segments s \
                                        where s.organization_id = segment_members.organization_id \
                                          and s.id = segment_members.segment_id)) end as joined_at"
    };
}

impl Listed for MemberRow {
    const TABLE: &'static str = "segment_members";
    const COLUMNS: &'static str = concat!(
        "id, patient_id, ",
        "(select p.first_name from patients p \
          where p.organization_id = segment_members.organization_id and p.id = segment_members.patient_id) \
             as first_name, ",
        "(select p.last_name from patients p \
          where p.organization_id = segment_members.organization_id and p.id = segment_members.patient_id) \
             as last_name, ",
        joined_at!()
    );
    // A patient that was deleted is a member until the next evaluation.
    const PRESENT: &'static str = "coalesce((select p.deleted_at is null from patients p \
                                             where p.organization_id = segment_members.organization_id \
                                               and p.id = segment_members.patient_id), false)";
}

impl Listed for SegmentHistoryEntry {
    const TABLE: &'static str = "segment_history";
    const COLUMNS: &'static str = "id, patient_id, kind, rule_version, happened_at";
    const PRESENT: &'static str = "true";
}

impl Listed for PatientSegment {
    const TABLE: &'static str = "segment_members";
    const COLUMNS: &'static str = concat!(
        "id, segment_id, ",
        "(select s.name from segments s \
          where s.organization_id = segment_members.organization_id and s.id = segment_members.segment_id) as name, ",
        joined_at!(),
        ", (select s.evaluated_at from segments s \
            where s.organization_id = segment_members.organization_id and s.id = segment_members.segment_id) \
               as evaluated_at, ",
        "(select s.state from segments s \
          where s.organization_id = segment_members.organization_id and s.id = segment_members.segment_id) as state"
    );
    const PRESENT: &'static str = "true";
}

/// Reads a page of the members of a segment, in the order of the patients' ids; of a specialist, those whom it treats.
pub(in crate::domain::segment) async fn member_rows(
    tx: &mut DiscloseTx,
    segment: SegmentId,
    specialist: Option<SpecialistId>,
    paging: Paging,
) -> Result<Sealed<(Vec<MemberRow>, Total)>, DatabaseError> {
    let members = tx.list()?.filter("segment_id =", Some(segment));
    members.among(MEMBERS_OF_SPECIALIST, specialist).rows("patient_id", paging).await
}

/// Reads a page of the history of a segment, the latest first, of one patient or all.
pub(in crate::domain::segment) async fn history_page(
    reader: &mut OpenReader,
    segment: SegmentId,
    patient: Option<PatientId>,
    specialist: Option<SpecialistId>,
    paging: Paging,
) -> Result<Page<SegmentHistoryEntry>, DatabaseError> {
    let entries = reader.list().filter("segment_id =", Some(segment)).filter("patient_id =", patient);
    entries.among(HISTORY_OF_SPECIALIST, specialist).page("id desc", paging).await
}

/// Reads a page of the segments that a patient is a member of.
pub(in crate::domain::segment) async fn patient_segment_rows(
    tx: &mut DiscloseTx,
    patient: PatientId,
    paging: Paging,
) -> Result<Sealed<(Vec<PatientSegment>, Total)>, DatabaseError> {
    tx.list()?.filter("patient_id =", Some(patient)).rows("segment_id", paging).await
}

/// Returns `true` if the caller sees a patient.
pub(in crate::domain::segment) async fn patient_seen(
    tx: &mut impl Tx,
    organization: OrganizationId,
    patient: PatientId,
) -> Result<bool, DatabaseError> {
    let seen = sqlx::query_scalar!(
        r#"
        select exists (select from patients
                       where organization_id = $1 and id = $2 and deleted_at is null) as "seen!"
        "#,
        organization.0,
        patient.0
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(seen)
}

/// Returns the time since which a patient is a member of a segment, as the caller sees it; `None` if it is none.
pub(in crate::domain::segment) async fn membership_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    segment: SegmentId,
    patient: PatientId,
) -> Result<Option<DateTime<Utc>>, DatabaseError> {
    let joined_at = sqlx::query_scalar!(
        r#"
        select case when context_role() = 'admin' then m.joined_at
                    else greatest(m.joined_at, (select s.shown_at from segments s
                                                where s.organization_id = $1 and s.id = $2)) end as "joined_at!"
        from segment_members m
        where m.organization_id = $1 and m.segment_id = $2 and m.patient_id = $3
        "#,
        organization.0,
        segment.0,
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(joined_at)
}

/// Patient for whom a rule is true.
#[derive(Debug)]
pub(in crate::domain::segment) struct ExampleRow {
    pub(in crate::domain::segment) patient_id: PatientId,
    pub(in crate::domain::segment) first_name: String,
    pub(in crate::domain::segment) last_name: String,
}

/// Reads the names of patients, in the order of their ids.
pub(in crate::domain::segment) async fn examples_get(
    tx: &mut impl Tx,
    organization: OrganizationId,
    ids: &[i64],
) -> Result<Vec<ExampleRow>, DatabaseError> {
    let examples = sqlx::query_as!(
        ExampleRow,
        r#"
        select id as "patient_id: PatientId", first_name, last_name from patients
        where organization_id = $1 and id = any($2) and deleted_at is null
        order by id
        "#,
        organization.0,
        ids
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(examples)
}
