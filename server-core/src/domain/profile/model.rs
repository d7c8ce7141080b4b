use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde_json::Value;
use server_shared::{mark::Phi, value::Key};

use crate::{
    domain::field::{FieldDefinition, FieldType},
    ids::{CustomFieldId, UserId},
};

/// Values of the custom fields of a patient, a specialist, an appointment or the clinic itself. It contains the fields
/// that the caller sees.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Profile {
    /// Version of the profile, to be sent with the next change; 0 if nothing was ever written, and increases with each
    /// write.
    #[oai(validator(minimum(value = "0")))]
    pub(crate) version: i64,
    /// Values by the keys of their fields; a field without a value is left out.
    pub(crate) values: BTreeMap<String, ProfileValue>,
    /// Fields in the order of their keys: those in use, and archived ones that have a value here.
    pub(crate) fields: Vec<ProfileField>,
}

/// Value of a custom field.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ProfileValue {
    /// Value in the form of its type: text, number, boolean or list; decimals, days and times are texts.
    pub(crate) value: Phi<Value>,
    /// Version of the field that the value was given under.
    pub(crate) field_version: i32,
    /// Type of the value; the field's present version may have another one.
    pub(crate) field_type: FieldType,
    /// Unit of a number, e.g. `kg`, 1 to 40 characters; absent if it has none. The field's present version may have
    /// another one.
    pub(crate) unit: Option<String>,
    /// Version of the profile that brought the value.
    pub(crate) changed_in: i64,
    /// Time at which the value was written.
    pub(crate) changed_at: DateTime<Utc>,
    /// Id of the user who wrote the value; absent if it was an API key, or the user was erased.
    pub(crate) changed_by_user_id: Option<UserId>,
}

/// Custom field, as a profile shows it.
#[derive(Debug, Clone, Object)]
pub(crate) struct ProfileField {
    /// Id of the field.
    pub(crate) id: CustomFieldId,
    /// Key by which the values name the field.
    pub(crate) key: Key,
    /// Number of the present version, which new values are given under.
    pub(crate) version: i32,
    /// Type, texts and bounds of the present version.
    pub(crate) definition: FieldDefinition,
    /// `true` if the caller may write a value.
    pub(crate) writable: bool,
    /// `true` if the field is archived: its value stays, and nobody can write another one.
    pub(crate) archived: bool,
}

impl Example for Profile {
    fn example() -> Self {
        let value = ProfileValue {
            value: Phi::from(Value::from("left")),
            field_version: 1,
            field_type: FieldType::SingleChoice,
            unit: None,
            changed_in: 3,
            changed_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
            changed_by_user_id: Some(UserId(7)),
        };
        let key = Key::from_static("dominant_hand");
        let field = ProfileField {
            id: CustomFieldId(31),
            key: key.clone(),
            version: 1,
            definition: FieldDefinition::example(),
            writable: true,
            archived: false,
        };
        Self { version: 3, values: [(key.into_inner(), value)].into(), fields: vec![field] }
    }
}

/// New values of a profile. Fields that it does not name keep theirs.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateProfile {
    /// Version of the profile that the change is based on; 0 if nothing was ever written. 409 `stale_version` if
    /// somebody else has changed one of the named fields to another value since.
    #[oai(validator(minimum(value = "0")))]
    pub(crate) version: i64,
    /// New values by the keys of their fields, at most 200; `null` removes a value.
    #[oai(validator(max_properties = 200))]
    pub(crate) values: BTreeMap<String, Value>,
}

impl Example for UpdateProfile {
    fn example() -> Self {
        Self { version: 3, values: [("dominant_hand".to_owned(), Value::from("both"))].into() }
    }
}
