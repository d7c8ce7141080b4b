//! Content of a form as it is signed. The first signature freezes it: it is sealed with its hash, and answers show it
//! unchanged from then on, whatever version of the service wrote it.

use poem_openapi::types::ToJSON as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    document::{CONTENT, FormDocument, TABLE},
    row::FormRow,
    version::TemplateVersion,
};
use crate::{
    domain::{form_definition::content_hash, rules::FieldFaults},
    encryption::OpenKey,
};

/// Content that a signature freezes.
pub(super) struct FrozenContent {
    /// Content as its hash was made of it.
    pub(super) json: Value,
    /// SHA-256 of its canonical form (RFC 8785).
    pub(super) hash: [u8; 32],
    /// Content sealed under the patient's key.
    pub(super) sealed: Vec<u8>,
}

impl FrozenContent {
    /// Makes the content of a submitted form, whose `document` has no hidden answers any more; `amends` is the global
    /// id of the form that it corrects.
    pub(super) fn of(
        row: &FormRow,
        key: &OpenKey,
        document: &FormDocument,
        version: &TemplateVersion,
        amends: Option<Uuid>,
    ) -> Self {
        let json = content(row, document, version, amends);
        let sealed = key.row(TABLE, row.summary.uid).seal(CONTENT, Some(&json.to_string()));
        Self { hash: content_hash(&json), sealed: sealed.unwrap_or_default(), json }
    }
}

/// Writes what a signature is about. Every number is whole: decimals are texts, so that no library can write the
/// canonical form in another way. Nobody finds the answers by trying which ones have the hash, which stays in the clear
/// even after an erasure: the salt is sealed with them.
fn content(row: &FormRow, document: &FormDocument, version: &TemplateVersion, amends: Option<Uuid>) -> Value {
    let compiled = &version.compiled;
    let answers = compiled.read_stored(&document.answers);
    let evaluation = compiled.report(&answers, &compiled.evaluate(&answers), "", &FieldFaults::default());
    let mut content = json!({
        "salt": Uuid::new_v4(),
        "form_uid": row.summary.uid,
        "name": row.summary.name,
        "patient_id": row.summary.patient_id.0,
        "form_template_id": row.summary.form_template_id.0,
        "form_template_version": row.summary.form_template_version,
        "template_hash": version.hash,
        "language": row.summary.language,
        "values": document.answers,
        "scores": evaluation.scores.to_json(),
        "prefilled": document.prefilled.to_json(),
        "submitted_at": row.summary.submitted_at.map(|at| at.to_rfc3339()),
    });
    if let Some(amends) = amends {
        content["amends"] = json!(amends);
    }
    content
}
