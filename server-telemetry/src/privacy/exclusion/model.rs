//! Exclusions from tracking, and their sources.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

/// Source of an exclusion.
///
/// - `person`: the person asked for it; only the person can lift it
/// - `admin`: an administrator asked for it; only administrators can lift it
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ExclusionSource {
    Person,
    Admin,
}

impl ExclusionSource {
    /// Returns the name that rows use.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Admin => "admin",
        }
    }

    pub(super) fn from_column(text: &str) -> Self {
        if text == "person" { Self::Person } else { Self::Admin }
    }
}

/// Person who is excluded from tracking.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct Exclusion {
    /// Id of the user in Core.
    pub subject_id: i64,
    /// Source of the exclusion.
    pub source: ExclusionSource,
    /// Time at which the exclusion was added.
    pub created_at: DateTime<Utc>,
}

impl Example for Exclusion {
    fn example() -> Self {
        let created_at = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        Self { subject_id: 4711, source: ExclusionSource::Person, created_at }
    }
}

/// Person to exclude.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewExclusion {
    /// Id of the user in Core; the caller if left out. Only administrators may name another user.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub subject_id: Option<i64>,
}

impl Example for NewExclusion {
    fn example() -> Self {
        Self { subject_id: Some(4711) }
    }
}
