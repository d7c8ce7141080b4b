//! Consent: what for, to which text, when, given where.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};

use crate::text::{Identifier, Word};

/// What data about a person is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Events of pages.
    Analytics,
    /// Sessions of calls and exercises.
    Media,
    /// Body landmarks.
    Pose,
}

impl Purpose {
    pub(crate) const ALL: [Self; 3] = [Self::Analytics, Self::Media, Self::Pose];

    /// As rows, answers and metrics name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Media => "media",
            Self::Pose => "pose",
        }
    }
}

/// What a person agrees to and does not. Replaces what was said before; the earlier versions are kept.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct ConsentUpdate {
    /// The decision on each purpose.
    pub purposes: PurposeDecisions,
    /// Version of the text that the person was shown.
    pub text_version: Identifier,
    /// Where the decision was made, e.g. `banner`, `settings`, `onboarding`.
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

/// Yes or no to each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PurposeDecisions {
    /// Whether events of pages may be stored.
    pub analytics: bool,
    /// Whether sessions of calls and exercises may be stored.
    pub media: bool,
    /// Whether body landmarks may be stored.
    pub pose: bool,
}

impl PurposeDecisions {
    /// The decision on `purpose`.
    pub(crate) fn on(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Analytics => self.analytics,
            Purpose::Media => self.media,
            Purpose::Pose => self.pose,
        }
    }
}

/// What holds for a person at present.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct Consent {
    /// Events of pages.
    pub analytics: ConsentState,
    /// Sessions of calls and exercises.
    pub media: ConsentState,
    /// Body landmarks.
    pub pose: ConsentState,
}

impl Consent {
    /// What was never decided is not granted.
    pub(crate) fn nothing() -> Self {
        Self { analytics: ConsentState::never(), media: ConsentState::never(), pose: ConsentState::never() }
    }

    /// The state of `purpose`, to be set.
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

/// The latest decision on one purpose. Without any decision only `granted` is there, and false.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ConsentState {
    /// Whether data may be stored for this purpose.
    pub granted: bool,
    /// Number of the decision, counted for each person from 1.
    pub version: Option<i64>,
    /// Version of the text that the person was shown.
    pub text_version: Option<String>,
    /// Where the decision was made.
    pub source: Option<String>,
    /// When the decision was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
}

impl ConsentState {
    fn never() -> Self {
        Self { granted: false, version: None, text_version: None, source: None, recorded_at: None }
    }
}
