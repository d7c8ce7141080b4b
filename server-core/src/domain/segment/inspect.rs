//! Members and history of segments, segments of a patient, explanations, and rules that are tried.

use chrono::{DateTime, Utc};
use server_shared::{
    http::{Page, Paging},
    mark::Phi,
};

use super::{
    engine::{Compiled, Explained, Referred},
    error::SegmentError,
    evaluate::too_slow,
    member_model::{
        PatientSegment, PreviewSegment, SegmentExample, SegmentExplanation, SegmentHistoryEntry, SegmentMember,
        SegmentPreview, SegmentRuleResult,
    },
    repository::{self, ExampleRow, MemberRow, SegmentRow},
    service::{RULE, Service, compiled},
};
use crate::{
    audit::Audit,
    database::{DiscloseTx, Disclosed, Sealed},
    domain::{patient, rules::InvalidValue},
    identity::Caller,
    ids::{OrganizationId, PatientId, SegmentId},
};

impl Service {
    /// Returns a page of the members whom the caller sees.
    pub(super) async fn members(
        &self,
        caller: &Caller,
        id: SegmentId,
        paging: Paging,
    ) -> Result<Disclosed<Page<SegmentMember>>, SegmentError> {
        let mut tx = self.database.disclose(caller).await?;
        seen(&mut tx, id).await?;
        let rows = repository::member_rows(&mut tx, id, caller.specialist_id(), paging).await?;
        let page = rows.try_map(|(rows, total)| {
            let members = rows.into_iter().map(SegmentMember::from).collect();
            Ok::<_, SegmentError>(paging.page(members, total))
        })?;
        Ok(tx.disclose(page, |page| Audit::read(page.data.iter().map(|member| &member.patient_id))).await?)
    }

    /// Returns a page of the history, the latest first.
    pub(super) async fn history(
        &self,
        caller: &Caller,
        id: SegmentId,
        patient: Option<PatientId>,
        paging: Paging,
    ) -> Result<Page<SegmentHistoryEntry>, SegmentError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        Ok(repository::history_page(&mut reader, id, patient, caller.specialist_id(), paging).await?)
    }

    /// Returns a page of the segments that a patient is a member of.
    pub(super) async fn of_patient(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        paging: Paging,
    ) -> Result<Disclosed<Page<PatientSegment>>, SegmentError> {
        let mut tx = self.database.disclose(caller).await?;
        reached(&mut tx, organization, patient).await?;
        let rows = repository::patient_segment_rows(&mut tx, patient, paging).await?;
        let page = rows.try_map(|(rows, total)| Ok::<_, SegmentError>(paging.page(rows, total)))?;
        Ok(tx.disclose(page, |_| Audit::read([&patient])).await?)
    }

    /// Tries a rule: finds the patients for whom it is true, as the caller, and changes nothing.
    pub(super) async fn preview(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        preview: &PreviewSegment,
    ) -> Result<Disclosed<SegmentPreview>, SegmentError> {
        let mut tx = self.database.disclose(caller).await?;
        if let Some(id) = preview.segment_id {
            seen(&mut tx, id).await.map_err(|error| match error {
                SegmentError::NotFound => {
                    let message = "must be a segment of the organization";
                    InvalidValue::new("/segment_id", "unknown_reference", message).into()
                }
                error => error,
            })?;
        }
        let (compiled, _) = compiled(&mut tx, organization, &preview.rule, preview.segment_id).await?;
        repository::evaluation_limit(&mut tx).await?;
        let judged = repository::segment_judge(&mut tx, organization, &compiled).await;
        let judged = judged.map_err(|error| too_slow(error.into()))?;
        let examples = repository::examples_get(&mut tx, organization, &judged.examples).await?;
        let found = Sealed::new(SegmentPreview {
            member_count: judged.members,
            missing_count: judged.missing,
            patient_count: judged.patients,
            examples: examples.into_iter().map(SegmentExample::from).collect(),
        });
        Ok(tx.disclose(found, |found| Audit::read(found.examples.iter().map(|example| &example.patient_id))).await?)
    }

    /// Explains why a patient is a member of a segment or not. The caller sees both; the values that decide are read as
    /// an evaluation reads them.
    pub(super) async fn explain(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SegmentId,
        patient: PatientId,
    ) -> Result<Disclosed<SegmentExplanation>, SegmentError> {
        let mut reader = self.database.read(caller).open().await?;
        let row = reader.get::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        drop(reader);
        let mut tx = self.database.disclose(caller).await?;
        reached(&mut tx, organization, patient).await?;
        let joined_at = repository::membership_get(&mut tx, organization, id, patient).await?;
        drop(tx);
        let rule = row.rule()?;
        let mut tx = self.database.disclose(&caller.privileged()).await?;
        let known = repository::known_load(&mut tx, organization, &Referred::by(&rule), Some(id)).await?;
        let Ok(compiled) = Compiled::check(&rule, &known, RULE) else { return Err(SegmentError::Unevaluable) };
        repository::evaluation_limit(&mut tx).await?;
        let truths = repository::segment_truths(&mut tx, organization, &compiled, patient).await;
        let explained = compiled.explain(&truths.map_err(|error| too_slow(error.into()))?);
        let explanation = Sealed::new(explanation(&row, patient, joined_at, explained));
        Ok(tx.disclose(explanation, |_| Audit::read([&patient])).await?)
    }
}

/// Checks that the caller sees a segment.
async fn seen(tx: &mut DiscloseTx, id: SegmentId) -> Result<(), SegmentError> {
    if tx.get::<SegmentRow>(id).await?.is_none() {
        return Err(SegmentError::NotFound);
    }
    Ok(())
}

/// Checks that the caller sees a patient.
async fn reached(tx: &mut DiscloseTx, organization: OrganizationId, patient: PatientId) -> Result<(), SegmentError> {
    if repository::patient_seen(tx, organization, patient).await? {
        return Ok(());
    }
    Err(patient::absent(tx, patient).await.into())
}

fn explanation(
    row: &SegmentRow,
    patient: PatientId,
    joined_at: Option<DateTime<Utc>>,
    Explained { verdict, results, failing }: Explained,
) -> SegmentExplanation {
    let result = |(pointer, result): (String, Option<bool>)| SegmentRuleResult { pointer, result: result.into() };
    SegmentExplanation {
        segment_id: row.id,
        patient_id: patient,
        member: joined_at.is_some(),
        joined_at,
        evaluated_at: row.evaluated_at,
        evaluated_seconds_ago: row.evaluated_at.map(|at| (Utc::now() - at).num_seconds().max(0)),
        evaluated_rule_version: row.evaluated_rule_version,
        rule_version: row.rule_version,
        result: verdict.into(),
        rules: results.into_iter().map(result).collect(),
        failing,
    }
}

impl From<MemberRow> for SegmentMember {
    fn from(row: MemberRow) -> Self {
        Self {
            patient_id: row.patient_id,
            first_name: Phi::from(row.first_name),
            last_name: Phi::from(row.last_name),
            joined_at: row.joined_at,
        }
    }
}

impl From<ExampleRow> for SegmentExample {
    fn from(row: ExampleRow) -> Self {
        Self { patient_id: row.patient_id, first_name: Phi::from(row.first_name), last_name: Phi::from(row.last_name) }
    }
}
