use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Key, Line};

use crate::{
    domain::{field::FieldDefinition, rules::FieldFaults},
    ids::CustomFieldId,
};

/// Kind of record whose profile has a custom field.
///
/// - `patient`: profiles of patients
/// - `specialist`: profiles of specialists
/// - `appointment`: profiles of appointments
/// - `organization`: the profile of the clinic itself
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum FieldEntity {
    /// Profiles of patients.
    Patient,
    /// Profiles of specialists.
    Specialist,
    /// Profiles of appointments.
    Appointment,
    /// The profile of the clinic.
    Organization,
}

/// Role that may see or write the values of a custom field, in profiles that it reaches.
///
/// - `admin`: administrators, always
/// - `specialist`: specialists; they write profiles of patients whose record is open to them, and their own
/// - `staff`: the front desk, and API keys; keys get protected health information of profiles of patients only
/// - `patient`: patients; they write their own profiles and those of their appointments
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum FieldRole {
    /// Administrators.
    Admin,
    /// Specialists.
    Specialist,
    /// The front desk.
    Staff,
    /// Patients.
    Patient,
}

impl FieldRole {
    /// Returns the role as the database writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Specialist => "specialist",
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }

    /// Parses a role written by [`FieldRole::as_str`].
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        [Self::Admin, Self::Specialist, Self::Staff, Self::Patient].into_iter().find(|role| role.as_str() == text)
    }

    /// Parses a list of roles as a field stores it; returns `None` if it has an unknown role.
    pub(crate) fn of_texts(texts: &[String]) -> Option<Vec<Self>> {
        texts.iter().map(|text| Self::of_text(text)).collect()
    }
}

/// Field that a clinic adds to profiles.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CustomField {
    /// Id of the field.
    pub(crate) id: CustomFieldId,
    /// Kind of record whose profile has the field.
    pub(crate) entity: FieldEntity,
    /// Key by which profiles name the field, unique among the fields of the entity, archived ones included.
    pub(crate) key: Key,
    /// Number of the present version, to be sent with the next change; increases with each change.
    pub(crate) version: i32,
    /// Type, texts and bounds.
    pub(crate) definition: FieldDefinition,
    /// Roles that see the values, in a fixed order; administrators always.
    pub(crate) readable_by: Vec<FieldRole>,
    /// Roles that write the values, in a fixed order; administrators always.
    pub(crate) writable_by: Vec<FieldRole>,
    /// Time of archiving; absent while values can be written.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for CustomField {
    fn example() -> Self {
        let CreateCustomField { entity, key, field } = CreateCustomField::example();
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: CustomFieldId(31),
            entity,
            key,
            version: 1,
            readable_by: field.readers(),
            writable_by: field.writers(),
            definition: field.definition,
            archived_at: None,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Version of a custom field. It never changes, and values keep the one that they were given under.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CustomFieldVersion {
    /// Number of the version, from 1.
    pub(crate) version: i32,
    /// Type, texts and bounds.
    pub(crate) definition: FieldDefinition,
    /// Roles that saw the values.
    pub(crate) readable_by: Vec<FieldRole>,
    /// Roles that wrote the values.
    pub(crate) writable_by: Vec<FieldRole>,
    /// Time at which the version came into use.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for CustomFieldVersion {
    fn example() -> Self {
        let CustomField { version, definition, readable_by, writable_by, created_at, .. } = CustomField::example();
        Self { version, definition, readable_by, writable_by, created_at }
    }
}

/// Properties of a custom field that can change.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CustomFieldInput {
    /// Type, texts and bounds.
    pub(crate) definition: FieldDefinition,
    /// Roles that see the values. Administrators do, listed or not.
    #[oai(validator(max_items = 4, unique_items))]
    pub(crate) readable_by: Vec<FieldRole>,
    /// Roles that write the values, each of which must also see them. Administrators do, listed or not.
    #[oai(validator(max_items = 4, unique_items))]
    pub(crate) writable_by: Vec<FieldRole>,
}

impl CustomFieldInput {
    /// Returns the roles that see the values, administrators included, in their order.
    pub(super) fn readers(&self) -> Vec<FieldRole> {
        with_admin(&self.readable_by)
    }

    /// Returns the roles that write the values, administrators included, in their order.
    pub(super) fn writers(&self) -> Vec<FieldRole> {
        with_admin(&self.writable_by)
    }

    /// Adds all faults of the properties.
    pub(super) fn check(&self, faults: &mut FieldFaults) {
        self.definition.check("/definition", faults);
        let readers = self.readers();
        for (index, _) in self.writable_by.iter().enumerate().filter(|(_, role)| !readers.contains(role)) {
            let message = "must also be in readable_by: who writes a value sees it";
            faults.add(format!("/writable_by/{index}"), "not_readable", message);
        }
    }
}

fn with_admin(roles: &[FieldRole]) -> Vec<FieldRole> {
    let roles: BTreeSet<FieldRole> = roles.iter().copied().chain([FieldRole::Admin]).collect();
    roles.into_iter().collect()
}

impl Example for CustomFieldInput {
    fn example() -> Self {
        Self {
            definition: FieldDefinition::example(),
            readable_by: vec![FieldRole::Admin, FieldRole::Specialist, FieldRole::Staff, FieldRole::Patient],
            writable_by: vec![FieldRole::Admin, FieldRole::Specialist, FieldRole::Patient],
        }
    }
}

/// New custom field.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct CreateCustomField {
    /// Kind of record whose profile gets the field; can't be changed.
    pub(crate) entity: FieldEntity,
    /// Key by which profiles name the field, unique among the fields of the entity, archived ones included; can't be
    /// changed.
    pub(crate) key: Key,
    /// Properties of the field.
    #[oai(flatten)]
    pub(crate) field: CustomFieldInput,
}

impl Example for CreateCustomField {
    fn example() -> Self {
        Self {
            entity: FieldEntity::Patient,
            key: Key::from_static("dominant_hand"),
            field: CustomFieldInput::example(),
        }
    }
}

/// New properties of a custom field, which replace the present ones.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateCustomField {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i32,
    /// Properties of the field.
    #[oai(flatten)]
    pub(crate) field: CustomFieldInput,
}

impl Example for UpdateCustomField {
    fn example() -> Self {
        let mut field = CustomFieldInput::example();
        field.definition.label = Line::from_static("Hand that the patient writes with");
        Self { version: 1, field }
    }
}
