//! Steps of a form template: its draft with a fault, its publication, and previews with a score.

use anyhow::{Context as _, Result, ensure};
use restartix_sdk::core::types::{self, CustomField, FormTemplate};
use serde_json::{Value, json};

use super::clinic::Morning;
use super::profile::FIELD;
use super::trail::{Trail, Who};
use crate::call::{answer, faults};

/// Key of the score.
pub(super) const SCORE: &str = "phq_2";
/// Key of the text that is shown with a high score.
const HINT: &str = "hint";
/// Fault of a draft whose hint depends on a score that is not there: its pointer and rule.
const FAULT: (&str, &str) = ("/definition/sections/0/items/4/visible_if/field", "unknown_reference");
/// Answers to an item, with 0 to 3 points.
const ANSWERS: [&str; 4] = ["not_at_all", "several_days", "more_than_half", "nearly_every_day"];

/// A value of the profile, two items in the manner of PHQ-2, the sum of their points, and a hint from 3 points of the
/// score `score` on. The patient signs, then the specialist.
fn definition(field: &CustomField, score: &str) -> Value {
    let options: Vec<Value> = ANSWERS.iter().map(|key| json!({ "key": key, "label": key.replace('_', " ") })).collect();
    let item = |key: &str, label: &str| {
        let definition = json!({ "field_type": "single_choice", "label": label, "options": options, "phi": true });
        json!({ "key": key, "field": { "definition": definition, "required": true } })
    };
    let points = ANSWERS.iter().enumerate();
    let points: Vec<Value> =
        points.map(|(points, option)| json!({ "option": option, "points": points.to_string() })).collect();
    let inputs: Vec<Value> = ["interest", "mood"].iter().map(|key| json!({ "key": key, "points": points })).collect();
    let bands = [
        json!({ "key": "negative", "label": "Negative", "from": "0", "to": "2" }),
        json!({ "key": "positive", "label": "Positive", "from": "3", "to": "6" }),
    ];
    let items = [
        json!({ "key": "hand", "field": {
            "custom_field": { "id": field.id, "version": field.version }, "prefill": { "profile": FIELD },
        } }),
        item("interest", "Little interest in things"),
        item("mood", "Low mood"),
        json!({ "key": SCORE, "score": { "label": "PHQ-2", "formula": "sum", "inputs": inputs, "bands": bands } }),
        json!({
            "key": HINT,
            "visible_if": { "op": "greater_or_equal", "field": score, "value": 3 },
            "text": { "text": "Please talk to us about it." },
        }),
    ];
    let signatures = json!([
        { "signer": "patient", "meaning": "consent" },
        { "signer": "specialist", "meaning": "completion" },
    ]);
    json!({
        "language": "en",
        "sections": [{ "key": "weeks", "label": "The last two weeks", "items": items }],
        "signatures": signatures,
    })
}

fn publication(version: i64) -> Result<types::PublishFormTemplate> {
    Ok(serde_json::from_value(json!({ "version": version }))?)
}

impl Morning<'_> {
    /// A draft with a fault, which it names, as do publishing and the preview that it is refused.
    pub(super) async fn form_draft(&self, field: &CustomField, trail: &mut Trail) -> Result<FormTemplate> {
        let admin = &self.cast.admin;
        let body = json!({ "name": self.run.name("PHQ-2"), "definition": definition(field, "phq2") });
        let body: types::FormTemplateInput = serde_json::from_value(body)?;
        let draft = answer("form_template_create", admin.form_template_create().body(body).send().await).await?;
        trail.expect(Who::Admin, "created", "form_template", draft.id, &draft)?;
        let named: Vec<_> = draft.faults.iter().map(|fault| (fault.pointer.as_str(), fault.rule.as_str())).collect();
        ensure!(named == [FAULT], "form_template_create: expected the fault {FAULT:?}, got {named:?}");
        let publish = admin.form_template_publish().form_template_id(draft.id).body(publication(draft.version)?);
        faults("form_template_publish", &[FAULT], publish.send().await).await?;
        let body: types::PreviewForm = serde_json::from_value(json!({ "values": {} }))?;
        let preview = self.cast.staff.form_template_preview().form_template_id(draft.id).body(body);
        faults("form_template_preview", &[FAULT], preview.send().await).await?;
        Ok(draft.into_inner())
    }

    /// The draft without its fault becomes the first version, which the front desk reads.
    pub(super) async fn form_publish(
        &self,
        draft: &FormTemplate,
        field: &CustomField,
        trail: &mut Trail,
    ) -> Result<()> {
        let admin = &self.cast.admin;
        let body = json!({ "version": draft.version, "name": draft.name, "definition": definition(field, SCORE) });
        let body: types::UpdateFormTemplate = serde_json::from_value(body)?;
        let mended = admin.form_template_update().form_template_id(draft.id).body(body).send().await;
        let mended = answer("form_template_update", mended).await?;
        trail.expect(Who::Admin, "updated", "form_template", draft.id, &mended)?;
        ensure!(mended.faults.is_empty(), "form_template_update: expected no fault, got {:?}", mended.faults);
        let published = admin.form_template_publish().form_template_id(draft.id).body(publication(mended.version)?);
        let published = answer("form_template_publish", published.send().await).await?;
        trail.expect(Who::Admin, "published", "form_template", draft.id, &published)?;
        let read = self.cast.staff.form_template_version_get().form_template_id(draft.id).version(1).send().await;
        let read = answer("form_template_version_get", read).await?;
        let (expected, got) = ((1, &published.content_hash), (read.version, &read.content_hash));
        ensure!(got == expected, "form_template_version_get: expected version and hash {expected:?}, got {got:?}");
        Ok(())
    }

    /// The front desk previews the version: the score decides whether the hint is shown.
    pub(super) async fn form_preview(&self, template: i64) -> Result<()> {
        for (chosen, value, band, is_shown) in
            [("several_days", "2", "negative", false), ("more_than_half", "4", "positive", true)]
        {
            let values = json!({ "hand": "left", "interest": chosen, "mood": chosen });
            let body: types::PreviewForm = serde_json::from_value(json!({ "version": 1, "values": values }))?;
            let preview = self.cast.staff.form_template_preview().form_template_id(template).body(body).send().await;
            let evaluation = answer("form_template_preview", preview).await?.into_inner().evaluation;
            let scores = serde_json::to_value(&evaluation.scores)?;
            let expected = json!([{ "key": SCORE, "state": "scored", "value": value, "band": band }]);
            ensure!(scores == expected, "form_template_preview: expected the scores {expected}, got {scores}");
            let hint = evaluation.items.iter().find(|item| item.key.as_str() == HINT);
            let hint = hint.context("form_template_preview: expected the state of the hint, got none")?;
            ensure!(
                hint.visible == is_shown,
                "form_template_preview: expected visible={is_shown} of the hint with the score {value}"
            );
        }
        Ok(())
    }
}
