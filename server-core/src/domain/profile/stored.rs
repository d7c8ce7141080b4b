//! Fields of a profile with their values, opened from stored rows.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use server_shared::{
    mark::Phi,
    value::{Key, Line},
};
use uuid::Uuid;

use super::{
    access::Access,
    model::{Profile, ProfileField, ProfileValue},
    repository::{FieldRow, ValueRow},
};
use crate::{
    database::DatabaseError,
    domain::{
        custom_field::{FieldEntity, FieldRole},
        field::{FieldDefinition, FieldType, FieldValue},
    },
    encryption::{Encryption, Holder, OpenKey},
    ids::{CustomFieldId, OrganizationId, UserId},
};

/// Table that sealed values are bound to.
pub(super) const TABLE: &str = "profile_values";
/// Column that sealed values are bound to.
pub(super) const COLUMN: &str = "value";

/// Field of a profile that the caller sees.
#[derive(Debug)]
pub(super) struct ProfileEntry {
    pub(super) id: CustomFieldId,
    pub(super) key: Key,
    pub(super) version: i32,
    pub(super) definition: FieldDefinition,
    pub(super) writable: bool,
    pub(super) archived: bool,
    /// Present if a value was ever written.
    pub(super) given: Option<Given>,
}

/// Value as it was last written, or removed.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) uid: Uuid,
    pub(super) field_version: i32,
    /// Type of this version of the field.
    pub(super) field_type: FieldType,
    /// Unit of this version of the field.
    pub(super) unit: Option<String>,
    /// `None` if the value was removed.
    pub(super) value: Option<FieldValue>,
    pub(super) changed_in: i64,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) changed_by: Option<UserId>,
}

impl ProfileEntry {
    /// Returns the present value.
    pub(super) fn value(&self) -> Option<&FieldValue> {
        self.given.as_ref().and_then(|given| given.value.as_ref())
    }

    /// Returns `true` if the present value is `value`: a number in another unit is another value.
    pub(super) fn is(&self, value: Option<&FieldValue>) -> bool {
        let unit = self.definition.unit.as_ref().map(Line::as_str);
        let in_its_unit = self.given.as_ref().is_none_or(|given| given.unit.as_deref() == unit);
        self.value() == value && (value.is_none() || in_its_unit)
    }
}

/// Value that a profile has now, for an answer that is taken from it.
#[derive(Debug)]
pub(crate) struct PresentValue {
    /// Value in its type.
    pub(crate) value: FieldValue,
    /// Type of the version that the value was given under.
    pub(crate) field_type: FieldType,
    /// Unit of that version; `None` if it has none.
    pub(crate) unit: Option<String>,
    /// `true` if the field is protected health information in its present version.
    pub(crate) phi: bool,
}

impl PresentValue {
    /// Takes the value of an entry with the key of its field; `None` if there is no value.
    pub(super) fn of(entry: ProfileEntry) -> Option<(String, Self)> {
        let Given { field_type, unit, value, .. } = entry.given?;
        Some((entry.key.into_inner(), Self { value: value?, field_type, unit, phi: entry.definition.phi }))
    }
}

/// Opens the rows of a profile for a caller with this access, and leaves out the fields that it does not see.
pub(super) struct Opener<'a> {
    pub(super) access: Access,
    pub(super) entity: FieldEntity,
    pub(super) organization: OrganizationId,
    pub(super) encryption: &'a Encryption,
    /// Key of the organization; `None` if no value of the entity is sealed under it.
    pub(super) key: Option<&'a OpenKey>,
}

impl Opener<'_> {
    /// Opens all rows.
    pub(super) fn entries(&self, rows: Vec<FieldRow>) -> Result<Vec<ProfileEntry>, DatabaseError> {
        let mut keys = HashMap::new();
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            entries.extend(self.entry(row, &mut keys)?);
        }
        Ok(entries)
    }

    fn entry(&self, row: FieldRow, keys: &mut HashMap<Uuid, OpenKey>) -> Result<Option<ProfileEntry>, DatabaseError> {
        let damaged = |what: &str| DatabaseError::Damaged(format!("custom field {}: {what}", row.id));
        let readers = FieldRole::of_texts(&row.readable_by).ok_or_else(|| damaged("an unknown role"))?;
        if !self.access.is_listed(self.entity, row.phi, &readers) {
            return Ok(None);
        }
        let writers = FieldRole::of_texts(&row.writable_by).ok_or_else(|| damaged("an unknown role"))?;
        let archived = row.archived_at.is_some();
        let writable = !archived && self.access.is_listed(self.entity, row.phi, &writers);
        let key = Key::parse(&row.key).ok_or_else(|| damaged("its key is none"))?;
        let definition = FieldDefinition::try_from(row.definition).map_err(|fault| damaged(&fault.to_string()))?;
        let given = row.value.map(|value| self.given(value, keys)).transpose()?;
        Ok(Some(ProfileEntry { id: row.id, key, version: row.version, definition, writable, archived, given }))
    }

    fn given(&self, row: ValueRow, keys: &mut HashMap<Uuid, OpenKey>) -> Result<Given, DatabaseError> {
        let value = match &row.value_encrypted {
            None => row.clear()?,
            Some(sealed) => {
                let key: &OpenKey = match row.data_key_id.zip(row.wrapped.as_deref()) {
                    Some((id, wrapped)) => match keys.entry(id) {
                        Entry::Occupied(key) => key.into_mut(),
                        Entry::Vacant(place) => {
                            let holder = Holder::Record { organization: self.organization, id };
                            place.insert(self.encryption.open(holder, wrapped)?)
                        }
                    },
                    None => self.key.ok_or_else(|| row.damaged("its key is missing"))?,
                };
                let text = key.row(TABLE, row.uid).open(COLUMN, Some(sealed.as_slice()))?;
                let text = text.map(Phi::into_inner).unwrap_or_default();
                Some(value_of(row.field_type, text).ok_or_else(|| row.damaged("it is of another type"))?)
            }
        };
        Ok(Given {
            uid: row.uid,
            field_version: row.field_version,
            field_type: row.field_type,
            unit: row.unit,
            value,
            changed_in: row.changed_in,
            changed_at: row.changed_at,
            changed_by: row.changed_by_user_id,
        })
    }
}

impl ValueRow {
    /// Reads a value that is stored in the clear; `None` if it was removed.
    fn clear(&self) -> Result<Option<FieldValue>, DatabaseError> {
        let value = match self.field_type {
            FieldType::Text | FieldType::LongText | FieldType::Email | FieldType::Phone => {
                self.text_value.clone().map(FieldValue::Text)
            }
            FieldType::SingleChoice => self.text_value.clone().map(FieldValue::Choice),
            FieldType::MultipleChoice => self.choices_value.clone().map(FieldValue::Choices),
            FieldType::Boolean => self.boolean_value.map(FieldValue::Boolean),
            FieldType::Date => self.date_value.map(FieldValue::Date),
            FieldType::Time => self.time_value.map(FieldValue::Time),
            FieldType::Datetime => self.datetime_value.map(FieldValue::Datetime),
            FieldType::Integer | FieldType::Scale => {
                let number = self.number_value.as_deref().map(str::parse::<i64>).transpose();
                number.map_err(|_| self.damaged("it is of another type"))?.map(FieldValue::Integer)
            }
            FieldType::Decimal => {
                let number = self.number_value.as_deref().map(str::parse::<Decimal>).transpose();
                number.map_err(|_| self.damaged("it is of another type"))?.map(FieldValue::Decimal)
            }
            FieldType::File | FieldType::Signature => None,
        };
        Ok(value)
    }

    fn damaged(&self, what: &str) -> DatabaseError {
        DatabaseError::Damaged(format!("profile value {}: {what}", self.uid))
    }
}

/// Writes a value as the text that is sealed: texts as they are, others as JSON.
pub(super) fn text_of(value: &FieldValue) -> String {
    match value.to_json() {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Reads a text written by [`text_of`] as a value of the type; `None` if it is of another type.
fn value_of(kind: FieldType, text: String) -> Option<FieldValue> {
    let value = match kind {
        FieldType::Integer | FieldType::Scale | FieldType::Boolean | FieldType::MultipleChoice => {
            serde_json::from_str(&text).ok()?
        }
        _ => Value::String(text),
    };
    FieldValue::read(kind, &value)
}

/// Renders a profile for the answer.
pub(super) fn profile(version: i64, entries: Vec<ProfileEntry>) -> Profile {
    let mut values = BTreeMap::new();
    let mut fields = Vec::with_capacity(entries.len());
    for entry in entries {
        let value = entry.given.and_then(|given| {
            Some(ProfileValue {
                value: Phi::from(given.value?.to_json()),
                field_version: given.field_version,
                field_type: given.field_type,
                unit: given.unit,
                changed_in: given.changed_in,
                changed_at: given.changed_at,
                changed_by_user_id: given.changed_by,
            })
        });
        if entry.archived && value.is_none() {
            continue;
        }
        if let Some(value) = value {
            values.insert(entry.key.as_str().to_owned(), value);
        }
        let ProfileEntry { id, key, version, definition, writable, archived, .. } = entry;
        fields.push(ProfileField { id, key, version, definition, writable, archived });
    }
    Profile { version, values, fields }
}
