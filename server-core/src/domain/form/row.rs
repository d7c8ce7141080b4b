use chrono::{DateTime, Utc};
use serde_json::Value;
use server_shared::mark::Phi;
use uuid::Uuid;

use super::{
    document::{CONTENT, REASON, TABLE, VOIDS},
    model::{FormStatus, FormSummary},
};
use crate::{
    database::DatabaseError,
    encryption::{Encryption, Holder, OpenKey},
    ids::{AppointmentId, FormId, FormTemplateId, OrganizationId, PatientId, UserId},
};

/// Form as it is stored, with everything that opens it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FormRow {
    pub(super) id: FormId,
    pub(super) uid: Uuid,
    /// Owner of the record that the form was made for.
    pub(super) patient_id: PatientId,
    pub(super) appointment_id: Option<AppointmentId>,
    pub(super) form_template_id: FormTemplateId,
    pub(super) form_template_version: i32,
    pub(super) name: String,
    pub(super) status: FormStatus,
    pub(super) version: i64,
    pub(super) language: String,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) overdue_at: Option<DateTime<Utc>>,
    pub(super) amends_id: Option<FormId>,
    pub(super) amended_by_id: Option<FormId>,
    pub(super) content_hash: Option<String>,
    pub(super) created_by_user_id: Option<UserId>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) submitted_at: Option<DateTime<Utc>>,
    pub(super) signed_at: Option<DateTime<Utc>>,
    pub(super) voided_at: Option<DateTime<Utc>>,
    pub(super) data_key_id: Uuid,
    /// Wrapped key of the record; empty once it is destroyed.
    pub(super) wrapped: Option<Vec<u8>>,
    pub(super) document_encrypted: Option<Vec<u8>>,
    pub(super) content_encrypted: Option<Vec<u8>>,
    pub(super) void_reason_encrypted: Option<Vec<u8>>,
    pub(super) void_uid: Option<Uuid>,
}

impl FormRow {
    /// Returns the key of the patient whom the form is about.
    pub(super) fn key(&self, encryption: &Encryption, organization: OrganizationId) -> Result<OpenKey, DatabaseError> {
        let wrapped = self.wrapped.as_deref();
        let wrapped = wrapped.ok_or_else(|| DatabaseError::Damaged(format!("form {} has no key", self.uid)))?;
        encryption.open(Holder::Record { organization, id: self.data_key_id }, wrapped)
    }

    /// Returns `true` if the patient was erased, so that nothing opens the answers any more.
    pub(super) fn is_erased(&self) -> bool {
        self.wrapped.as_deref().is_some_and(<[u8]>::is_empty)
    }

    /// Opens the content of a signed form; `None` before the first signature.
    pub(super) fn content(&self, key: &OpenKey) -> Result<Option<Value>, DatabaseError> {
        let text = key.row(TABLE, self.uid).open(CONTENT, self.content_encrypted.as_deref())?;
        let content = text.map(|text| serde_json::from_str(text.get())).transpose();
        content.map_err(|_| DatabaseError::Damaged(format!("no content can be read of form {}", self.uid)))
    }

    /// Opens the reason for which the form is void; `None` if it is not.
    pub(super) fn void_reason(&self, key: &OpenKey) -> Result<Option<Phi<String>>, DatabaseError> {
        let Some(uid) = self.void_uid else { return Ok(None) };
        key.row(VOIDS, uid).open(REASON, self.void_reason_encrypted.as_deref())
    }

    /// Returns the properties of the form.
    pub(super) fn summary(&self) -> FormSummary {
        FormSummary {
            id: self.id,
            uid: self.uid,
            patient_id: self.patient_id,
            appointment_id: self.appointment_id,
            form_template_id: self.form_template_id,
            form_template_version: self.form_template_version,
            name: self.name.clone(),
            status: self.status,
            version: self.version,
            language: self.language.clone(),
            due_at: self.due_at,
            overdue_at: self.overdue_at,
            amends_id: self.amends_id,
            amended_by_id: self.amended_by_id,
            content_hash: self.content_hash.clone(),
            created_by_user_id: self.created_by_user_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            submitted_at: self.submitted_at,
            signed_at: self.signed_at,
            voided_at: self.voided_at,
        }
    }
}
