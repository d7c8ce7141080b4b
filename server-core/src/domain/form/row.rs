use serde_json::Value;
use server_shared::mark::Phi;
use uuid::Uuid;

use super::{
    document::{CONTENT, REASON, TABLE, VOIDS},
    model::FormSummary,
};
use crate::{
    database::DatabaseError,
    encryption::{Encryption, Holder, OpenKey},
    ids::OrganizationId,
};

/// Form as it is stored, with everything that opens it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct FormRow {
    /// Properties of the form; its patient is the owner of the record that the form was made for.
    #[sqlx(flatten)]
    pub(super) summary: FormSummary,
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
        let wrapped = wrapped.ok_or_else(|| DatabaseError::Damaged(format!("form {} has no key", self.summary.uid)))?;
        encryption.open(Holder::Record { organization, id: self.data_key_id }, wrapped)
    }

    /// Returns `true` if the patient was erased, so that nothing opens the answers any more.
    pub(super) fn is_erased(&self) -> bool {
        self.wrapped.as_deref().is_some_and(<[u8]>::is_empty)
    }

    /// Opens the content of a signed form; `None` before the first signature.
    pub(super) fn content(&self, key: &OpenKey) -> Result<Option<Value>, DatabaseError> {
        let text = key.row(TABLE, self.summary.uid).open(CONTENT, self.content_encrypted.as_deref())?;
        let content = text.map(|text| serde_json::from_str(text.get())).transpose();
        content.map_err(|_| DatabaseError::Damaged(format!("no content can be read of form {}", self.summary.uid)))
    }

    /// Opens the reason for which the form is void; `None` if it is not.
    pub(super) fn void_reason(&self, key: &OpenKey) -> Result<Option<Phi<String>>, DatabaseError> {
        let Some(uid) = self.void_uid else { return Ok(None) };
        key.row(VOIDS, uid).open(REASON, self.void_reason_encrypted.as_deref())
    }
}
