use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

use crate::ids::SpecialtyId;

/// A medical specialty that a clinic offers.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Specialty {
    /// Its id.
    pub(crate) id: SpecialtyId,
    /// What it is called, unique among those in use.
    pub(crate) name: String,
    /// What it is about.
    pub(crate) description: String,
    /// When it was archived; absent while it can be chosen.
    pub(crate) archived_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Specialty {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let SpecialtyInput { name, description } = SpecialtyInput::example();
        Self { id: SpecialtyId(3), name, description, archived_at: None, created_at, updated_at: created_at }
    }
}

/// What a specialty is created from or replaced by.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SpecialtyInput {
    /// What it is called, unique among those in use.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) name: String,
    /// What it is about.
    #[oai(default, validator(max_length = 2000))]
    pub(crate) description: String,
}

impl Example for SpecialtyInput {
    fn example() -> Self {
        Self { name: "Physiotherapy".to_owned(), description: "Movement therapy after injury or surgery.".to_owned() }
    }
}

/// Order of a list of specialties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum SpecialtySort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, last first.
    #[oai(rename = "-name")]
    NameDescending,
}
