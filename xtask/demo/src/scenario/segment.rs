//! Steps of a segment: its rule and its members, and their export.

use anyhow::{Context as _, Result, ensure};
use futures_util::TryStreamExt as _;
use restartix_sdk::core::types::{self, FormTemplate, Patient, SegmentResult};
use serde_json::{Value, json};

use super::clinic::Morning;
use super::form::SCORE;
use super::trail::{Trail, Who};
use crate::call::{answer, faults};

impl Morning<'_> {
    /// The admin groups patients who have an appointment. A rule on a score is refused, which is stored encrypted.
    pub(super) async fn segment_create(
        &self,
        asked: &FormTemplate,
        patient: &Patient,
        trail: &mut Trail,
    ) -> Result<i64> {
        let admin = &self.cast.admin;
        let create = async |rule: Value| {
            let body = json!({ "name": self.run.name("Booked"), "rule": rule });
            let body: types::SegmentInput = serde_json::from_value(body)?;
            Ok::<_, anyhow::Error>(admin.segment_create().body(body).send().await)
        };
        let subject = json!({ "form_template_id": asked.id, "key": SCORE });
        let protected = json!({ "op": "greater", "form": subject, "value": 2 });
        faults("segment_create", &[("/rule/form/key", "protected")], create(protected).await?).await?;
        let booked = json!({ "op": "greater", "appointments": { "measure": "count" }, "value": 0 });
        let named = json!({ "op": "equals", "attribute": "has_national_id", "value": true });
        let segment = create(json!({ "op": "and", "rules": [booked, named] })).await?;
        let segment = answer("segment_create", segment).await?;
        trail.expect(Who::Admin, "created", "segment", segment.id, &segment)?;
        answer("segment_evaluate", admin.segment_evaluate().segment_id(segment.id).send().await).await?;
        let explained = admin.segment_explain().segment_id(segment.id).patient_id(patient.id).send().await;
        let explained = answer("segment_explain", explained).await?;
        let (got, expected) = ((explained.member, explained.result), (true, SegmentResult::True));
        ensure!(got == expected, "segment_explain: expected membership and result {expected:?}, got {got:?}");
        Ok(segment.id)
    }

    /// The admin exports the members: the patient has a row. Its telephone number has spaces, so it is a text and not a
    /// number in E.164, and a plus sign before it would run in a spreadsheet.
    pub(super) async fn segment_export(&self, segment: i64, patient: &Patient) -> Result<()> {
        let admin = &self.cast.admin;
        let body = json!({
            "segment_members": { "segment_id": segment, "columns": ["patient_id", "last_name", "phone"] },
            "delimiter": "semicolon",
        });
        let body: types::CsvExportInput = serde_json::from_value(body)?;
        let sent = answer("csv_export", admin.csv_export().body(body).send().await).await?;
        let table: Vec<u8> = sent
            .into_inner()
            .into_inner()
            .try_fold(Vec::new(), async |mut table, chunk| {
                table.extend_from_slice(&chunk);
                Ok(table)
            })
            .await
            .context("csv_export: the table broke off")?;
        let table = String::from_utf8(table).context("csv_export: expected UTF-8")?;
        ensure!(table.starts_with("patient_id;last_name;phone\r\n"), "csv_export: expected a header, got {table:.40}");
        let phone = patient.phone.as_deref().unwrap_or_default();
        let row = format!("{};{};'{phone}", patient.id, patient.last_name);
        ensure!(table.split("\r\n").any(|line| line == row), "csv_export: expected the row {row:?}, got {table:?}");
        Ok(())
    }
}
