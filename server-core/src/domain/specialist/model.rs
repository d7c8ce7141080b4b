use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Line, Name};

use crate::ids::{SpecialistId, SpecialtyId, UserId};

/// Person who treats patients.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Specialist {
    /// Id of the specialist.
    pub(crate) id: SpecialistId,
    /// Id of the user who signs in as the specialist; absent if none is linked.
    pub(crate) user_id: Option<UserId>,
    /// Name of the specialist.
    pub(crate) name: String,
    /// Professional title.
    pub(crate) title: String,
    /// Ids of the specialties that the specialist practises, in ascending order.
    pub(crate) specialty_ids: Vec<SpecialtyId>,
    /// IANA time zone of the working hours.
    pub(crate) timezone: String,
    /// `true` if patients can book appointments with the specialist.
    pub(crate) bookable: bool,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Specialist {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let SpecialistInput { name, title, specialty_ids, timezone, bookable } = SpecialistInput::example();
        let (id, name, title) = (SpecialistId(8), name.into_inner(), title.into_inner());
        Self { id, user_id: None, name, title, specialty_ids, timezone, bookable, created_at, updated_at: created_at }
    }
}

/// Values of a specialist, for creating and replacing one.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SpecialistInput {
    /// Name of the specialist.
    pub(crate) name: Name<200>,
    /// Professional title.
    #[oai(default)]
    pub(crate) title: Line<0, 200>,
    /// Ids of the specialties that the specialist practises, each once.
    #[oai(default, validator(max_items = 50, unique_items))]
    pub(crate) specialty_ids: Vec<SpecialtyId>,
    /// IANA time zone of the working hours.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[!-~]*$"))]
    pub(crate) timezone: String,
    /// `true` if patients can book appointments with the specialist.
    #[oai(default = "bookable_by_default")]
    pub(crate) bookable: bool,
}

fn bookable_by_default() -> bool {
    true
}

impl Example for SpecialistInput {
    fn example() -> Self {
        Self {
            name: Name::from_static("Dr. Ada Example"),
            title: Line::from_static("Physiotherapist"),
            specialty_ids: vec![SpecialtyId(3)],
            timezone: "Europe/Berlin".to_owned(),
            bookable: true,
        }
    }
}

/// Filter of a list of specialists.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpecialistFilter {
    /// Selects specialists who practise this specialty.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Selects specialists who can be booked or, with `false`, those who cannot.
    pub(crate) bookable: Option<bool>,
}

/// Order of a list of specialists.
///
/// - `name`: by name, from A to Z
/// - `-name`: by name, from Z to A
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum SpecialistSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, descending.
    #[oai(rename = "-name")]
    NameDescending,
}
