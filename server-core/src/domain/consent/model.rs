use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{error::FieldFault, value::Line};
use uuid::Uuid;

/// Purpose for which Telemetry stores data about a person.
///
/// - `analytics`: events of pages
/// - `media`: sessions of calls and exercises
/// - `pose`: body landmarks
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ConsentPurpose {
    Analytics,
    Media,
    Pose,
}

impl ConsentPurpose {
    /// Returns the purpose as rows write it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Media => "media",
            Self::Pose => "pose",
        }
    }
}

/// Decision of a person on one purpose. The time of the decision is that of the request.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct ConsentDecision {
    /// Purpose of the decision; at most one decision for each.
    pub(crate) purpose: ConsentPurpose,
    /// `true` if data may be stored for this purpose, `false` if the person refused.
    pub(crate) granted: bool,
    /// Version of the text that the person was shown, from 1 to 128 characters.
    #[oai(validator(pattern = r"^[A-Za-z0-9_.:-]+$"))]
    pub(crate) text_version: Line<1, 128>,
}

impl ConsentDecision {
    /// Returns a fault for each decision on a purpose that an earlier one is about; `at` is the pointer to the list.
    pub(crate) fn check(decisions: &[Self], at: &str) -> Vec<FieldFault> {
        let mut seen = BTreeSet::new();
        let repeated = decisions.iter().enumerate().filter(|(_, decision)| !seen.insert(decision.purpose));
        let fault =
            |index| FieldFault::new(format!("{at}/{index}/purpose"), "repeated", "is the purpose of another decision");
        repeated.map(|(index, _)| fault(index)).collect()
    }
}

impl Example for ConsentDecision {
    fn example() -> Self {
        Self { purpose: ConsentPurpose::Media, granted: true, text_version: Line::from_static("2026-11") }
    }
}

/// Decision that waits to be sent.
pub(super) struct WaitingDecision {
    pub(super) id: Uuid,
    pub(super) purpose: ConsentPurpose,
    pub(super) granted: bool,
    pub(super) text_version: String,
    pub(super) decided_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_decided_on_once() {
        let decision = |purpose| ConsentDecision { purpose, ..ConsentDecision::example() };
        let all = [ConsentPurpose::Media, ConsentPurpose::Pose, ConsentPurpose::Media].map(decision);
        let faults = ConsentDecision::check(&all, "/consents");
        assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/consents/2/purpose"]);
        assert!(ConsentDecision::check(&all[..2], "/consents").is_empty());
    }
}
