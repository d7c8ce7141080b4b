//! Exclusions: whom, and who asked for it.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

/// Who asked for an exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ExclusionSource {
    /// The person itself; only it can lift it again.
    Person,
    /// An administrator; only administrators can lift it again.
    Admin,
}

impl ExclusionSource {
    /// As rows name it.
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

/// Somebody who is not tracked.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct Exclusion {
    /// The user's id in Core.
    pub subject_id: i64,
    /// Who asked for it.
    pub source: ExclusionSource,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl Example for Exclusion {
    fn example() -> Self {
        let created_at = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        Self { subject_id: 4711, source: ExclusionSource::Person, created_at }
    }
}

/// Whom to exclude.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewExclusion {
    /// The user's id in Core; the caller itself when left out. Another is for administrators.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub subject_id: Option<i64>,
}

impl Example for NewExclusion {
    fn example() -> Self {
        Self { subject_id: Some(4711) }
    }
}
