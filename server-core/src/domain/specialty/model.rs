use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Name, Prose};

use crate::ids::SpecialtyId;

/// Medical specialty that a clinic offers.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Specialty {
    /// Id of the specialty.
    pub(crate) id: SpecialtyId,
    /// Name, unique among the specialties in use.
    pub(crate) name: String,
    /// Description.
    pub(crate) description: String,
    /// Time of archiving; absent while the specialty can be chosen.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Specialty {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let SpecialtyInput { name, description } = SpecialtyInput::example();
        let (name, description) = (name.into_inner(), description.into_inner());
        Self { id: SpecialtyId(3), name, description, archived_at: None, created_at, updated_at: created_at }
    }
}

/// Values of a specialty, for creating and replacing one.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SpecialtyInput {
    /// Name, unique among the specialties in use: case, accents, and the shapes of quotes and hyphens make no difference.
    pub(crate) name: Name<200>,
    /// Description.
    #[oai(default)]
    pub(crate) description: Prose<0, 2000>,
}

impl Example for SpecialtyInput {
    fn example() -> Self {
        Self {
            name: Name::from_static("Physiotherapy"),
            description: Prose::from_static("Movement therapy after injury or surgery."),
        }
    }
}

/// Order of a list of specialties.
///
/// - `name`: by name, from A to Z
/// - `-name`: by name, from Z to A
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum SpecialtySort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, descending.
    #[oai(rename = "-name")]
    NameDescending,
}
