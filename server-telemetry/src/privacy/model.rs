//! Consent: purpose, text version, time and source of each decision.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};

use crate::text::{Identifier, Word};

/// Purpose for which data about a person is stored.
///
/// - `analytics`: events of pages
/// - `media`: sessions of calls and exercises
/// - `pose`: body landmarks
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Purpose {
    Analytics,
    Media,
    Pose,
}

impl Purpose {
    pub(crate) const ALL: [Self; 3] = [Self::Analytics, Self::Media, Self::Pose];

    /// Returns the name that rows, answers and metrics use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Media => "media",
            Self::Pose => "pose",
        }
    }
}

/// Decision on every purpose. Replaces the previous decision, which is kept as an earlier version.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct ConsentUpdate {
    /// Decision on each purpose.
    pub purposes: PurposeDecisions,
    /// Version of the text that the person was shown.
    pub text_version: Identifier,
    /// Place of the decision, e.g. `banner`, `settings`, `onboarding`.
    pub source: Word,
}

impl Example for ConsentUpdate {
    fn example() -> Self {
        Self {
            purposes: PurposeDecisions { analytics: true, media: true, pose: false },
            text_version: Identifier::literal("2026-11"),
            source: Word::literal("settings"),
        }
    }
}

/// Consent to each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PurposeDecisions {
    /// `true` if events of pages may be stored.
    pub analytics: bool,
    /// `true` if sessions of calls and exercises may be stored.
    pub media: bool,
    /// `true` if body landmarks may be stored.
    pub pose: bool,
}

impl PurposeDecisions {
    /// Returns the decision on `purpose`.
    pub(crate) fn on(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Analytics => self.analytics,
            Purpose::Media => self.media,
            Purpose::Pose => self.pose,
        }
    }
}

/// Current consent of a person.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct Consent {
    /// Consent to storing events of pages.
    pub analytics: ConsentState,
    /// Consent to storing sessions of calls and exercises.
    pub media: ConsentState,
    /// Consent to storing body landmarks.
    pub pose: ConsentState,
}

impl Consent {
    /// Returns the state without any decision, in which nothing is granted.
    pub(crate) fn nothing() -> Self {
        Self { analytics: ConsentState::never(), media: ConsentState::never(), pose: ConsentState::never() }
    }

    /// Returns the state of `purpose`, to be set.
    pub(crate) fn of_mut(&mut self, purpose: Purpose) -> &mut ConsentState {
        match purpose {
            Purpose::Analytics => &mut self.analytics,
            Purpose::Media => &mut self.media,
            Purpose::Pose => &mut self.pose,
        }
    }
}

impl Example for Consent {
    fn example() -> Self {
        let given = ConsentState {
            granted: true,
            version: Some(2),
            text_version: Some("2026-11".to_owned()),
            source: Some("settings".to_owned()),
            recorded_at: DateTime::from_timestamp(1_762_765_200, 0),
        };
        let withheld = ConsentState { granted: false, ..given.clone() };
        Self { analytics: given.clone(), media: given, pose: withheld }
    }
}

/// Latest decision on one purpose. If there is none, `granted` is `false` and the other fields are absent.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ConsentState {
    /// `true` if data may be stored for this purpose.
    pub granted: bool,
    /// Number of the decision, counted from 1 for each person.
    pub version: Option<i64>,
    /// Version of the text that the person was shown.
    pub text_version: Option<String>,
    /// Place of the decision, e.g. `banner`, `settings`, `onboarding`.
    pub source: Option<String>,
    /// Time at which the decision was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
}

impl ConsentState {
    fn never() -> Self {
        Self { granted: false, version: None, text_version: None, source: None, recorded_at: None }
    }
}
