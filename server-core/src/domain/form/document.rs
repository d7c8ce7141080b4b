//! Answers of a form as they are sealed until its first signature.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use server_shared::mark::Phi;

use super::row::FormRow;
use crate::{
    database::DatabaseError,
    encryption::{OpenKey, RowCipher},
};

/// Table that sealed values of forms are bound to.
pub(super) const TABLE: &str = "forms";
/// Column of the sealed document.
const COLUMN: &str = "document_encrypted";

/// Answers of a form that is not signed, with the saves that brought them.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct FormDocument {
    /// Answers in the form of `Compiled::write`, those to hidden fields included.
    pub(super) answers: Map<String, Value>,
    /// Versions of the form that last changed each answer, also one that was removed: by `field`, `group/entry/field`,
    /// and `group/entry` for an entry that was deleted.
    pub(super) changed_in: BTreeMap<String, i64>,
    /// Origins of the answers that nobody has changed since the form was created.
    pub(super) prefilled: BTreeMap<String, FilledFrom>,
}

/// Hides the answers.
impl fmt::Debug for FormDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormDocument(…)")
    }
}

/// Origin of an answer that was there from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FilledFrom {
    /// Name of the attribute of the patient's record, e.g. `phone`; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) patient: Option<String>,
    /// Key of the custom field in the patient's profile; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    /// Id of the signed form that this one amends; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) form_id: Option<i64>,
    /// Time at which the answer was taken over.
    pub(crate) at: DateTime<Utc>,
}

impl Example for FilledFrom {
    fn example() -> Self {
        Self {
            patient: None,
            profile: Some("dominant_hand".to_owned()),
            form_id: None,
            at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

impl FormDocument {
    /// Opens the document of a form.
    pub(super) fn open(row: &FormRow, key: &OpenKey) -> Result<Self, DatabaseError> {
        let text = cipher(row.uid, key).open(COLUMN, row.document_encrypted.as_deref())?;
        let text = text.map(Phi::into_inner).unwrap_or_default();
        serde_json::from_str(&text).map_err(|_| DatabaseError::Damaged(format!("no answers can be read of form {}", row.uid)))
    }

    /// Seals the document for the row with this `uid`.
    pub(super) fn seal(&self, uid: uuid::Uuid, key: &OpenKey) -> Option<Vec<u8>> {
        let text = serde_json::to_string(self).unwrap_or_default();
        cipher(uid, key).seal(COLUMN, Some(&text))
    }
}

fn cipher(uid: uuid::Uuid, key: &OpenKey) -> RowCipher<'_> {
    key.row(TABLE, uid)
}
