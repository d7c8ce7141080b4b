use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde_json::Value;
use server_shared::mark::Phi;

use super::{document::FilledFrom, model::FormHistoryKind};
use crate::ids::UserId;

/// Request to move a form to another version of its template.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct MigrateForm {
    /// Version of the form that was read.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Version of the template to move to, later than the present one; the last published one if left out.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) form_template_version: Option<i32>,
}

impl Example for MigrateForm {
    fn example() -> Self {
        Self { version: 3, form_template_version: Some(2) }
    }
}

/// Change of a form.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormHistoryEntry {
    /// Id of the change.
    pub(crate) id: i64,
    /// Kind of the change.
    pub(crate) kind: FormHistoryKind,
    /// Version of the form that the change made.
    pub(crate) form_version: i64,
    /// Version of the template that the form asked then.
    pub(crate) form_template_version: i32,
    /// Keys of the fields whose answers changed, in groups as `group/entry/field`; the first 1,000 if there are more.
    /// Their values are not kept.
    pub(crate) fields: Vec<String>,
    /// Id of the user who made the change; absent if it was an API key, or the user was erased.
    pub(crate) user_id: Option<UserId>,
    /// Time of the change.
    pub(crate) changed_at: DateTime<Utc>,
}

impl Example for FormHistoryEntry {
    fn example() -> Self {
        Self {
            id: 5,
            kind: FormHistoryKind::Saved,
            form_version: 3,
            form_template_version: 1,
            fields: vec!["pain_in_motion".to_owned()],
            user_id: Some(UserId(7)),
            changed_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

/// Answers that a form would begin with.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormPrefilled {
    /// Version of the template that a form would ask.
    pub(crate) form_template_version: i32,
    /// Answers by the keys of their fields.
    pub(crate) values: BTreeMap<String, PrefilledValue>,
}

impl Example for FormPrefilled {
    fn example() -> Self {
        let value = PrefilledValue { value: Phi::from(Value::from("left")), source: FilledFrom::example() };
        Self { form_template_version: 1, values: [("dominant_hand".to_owned(), value)].into() }
    }
}

/// First answer to a field, and its origin.
#[derive(Debug, Clone, Object)]
pub(crate) struct PrefilledValue {
    /// Answer in the form of the field's type.
    pub(crate) value: Phi<Value>,
    /// Origin of the answer.
    pub(crate) source: FilledFrom,
}
