use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

use crate::ids::{SpecialistId, SpecialtyId, UserId};

/// A person who treats patients.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Specialist {
    /// Its id.
    pub(crate) id: SpecialistId,
    /// The specialist's login; absent for one who has none.
    pub(crate) user_id: Option<UserId>,
    /// What the specialist is called.
    pub(crate) name: String,
    /// Professional title.
    pub(crate) title: String,
    /// The specialties it practises, by id.
    pub(crate) specialty_ids: Vec<SpecialtyId>,
    /// The IANA zone its working hours are in.
    pub(crate) timezone: String,
    /// Whether patients can book it.
    pub(crate) bookable: bool,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Specialist {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        let SpecialistInput { name, title, specialty_ids, timezone, bookable } = SpecialistInput::example();
        let id = SpecialistId(8);
        Self { id, user_id: None, name, title, specialty_ids, timezone, bookable, created_at, updated_at: created_at }
    }
}

/// What a specialist is created from or replaced by.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SpecialistInput {
    /// What the specialist is called.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) name: String,
    /// Professional title.
    #[oai(default, validator(max_length = 200))]
    pub(crate) title: String,
    /// The specialties it practises; none twice.
    #[oai(default, validator(max_items = 50, unique_items))]
    pub(crate) specialty_ids: Vec<SpecialtyId>,
    /// The IANA zone its working hours are in.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(crate) timezone: String,
    /// Whether patients can book it.
    #[oai(default = "bookable_by_default")]
    pub(crate) bookable: bool,
}

fn bookable_by_default() -> bool {
    true
}

impl Example for SpecialistInput {
    fn example() -> Self {
        Self {
            name: "Dr. Ada Example".to_owned(),
            title: "Physiotherapist".to_owned(),
            specialty_ids: vec![SpecialtyId(3)],
            timezone: "Europe/Berlin".to_owned(),
            bookable: true,
        }
    }
}

/// Which specialists to list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpecialistFilter {
    /// Those who practise it.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// Those who can (or can't) be booked.
    pub(crate) bookable: Option<bool>,
}

/// Order of a list of specialists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum SpecialistSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, last first.
    #[oai(rename = "-name")]
    NameDescending,
}
