use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::value::{Name, Prose};

use super::engine::SegmentRule;
use crate::ids::SegmentId;

/// Patients for whom a rule is true. The members are those of the last evaluation.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Segment {
    /// Id of the segment.
    pub(crate) id: SegmentId,
    /// Name, unique among the segments of the clinic.
    pub(crate) name: String,
    /// Description for the clinic's staff.
    pub(crate) description: String,
    /// Rule, with the version of each custom field and form template that it was written for.
    pub(crate) rule: SegmentRule,
    /// Number of changes, to be sent with the next one.
    pub(crate) version: i64,
    /// Number of the rule, from 1; increases when the rule changes.
    pub(crate) rule_version: i32,
    /// State of the rule.
    pub(crate) state: SegmentState,
    /// Reasons for which the rule can't be evaluated, at most 100; empty if it can.
    pub(crate) faults: Vec<SegmentFault>,
    /// Number of members; absent for specialists, who see those members whom they treat.
    pub(crate) member_count: Option<i64>,
    /// Number of patients who are no members because a value is missing: with it, the rule might be true. Absent for
    /// specialists.
    pub(crate) missing_count: Option<i64>,
    /// Time as of which the members are; absent before the first evaluation.
    pub(crate) evaluated_at: Option<DateTime<Utc>>,
    /// Number of the rule by which the members were found; less than `rule_version` until a new rule is evaluated.
    pub(crate) evaluated_rule_version: Option<i32>,
    /// Time at which the next evaluation is due; in the past while one is about to begin.
    pub(crate) due_at: DateTime<Utc>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change of name, description or rule.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Segment {
    fn example() -> Self {
        let SegmentInput { name, description, rule } = SegmentInput::example();
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            id: SegmentId(12),
            name: name.into_inner(),
            description: description.into_inner(),
            rule,
            version: 1,
            rule_version: 1,
            state: SegmentState::Valid,
            faults: Vec::new(),
            member_count: Some(214),
            missing_count: Some(9),
            evaluated_at: Some(created_at + TimeDelta::seconds(2)),
            evaluated_rule_version: Some(1),
            due_at: created_at + TimeDelta::hours(22),
            created_at,
            updated_at: created_at,
        }
    }
}

/// State of a segment's rule.
///
/// - `valid`: it can be evaluated
/// - `invalid`: it can't, because something that it names has changed; `faults` says what. The members stay as they
///   were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum SegmentState {
    /// It can be evaluated.
    Valid,
    /// It can't be evaluated.
    Invalid,
}

/// Reason for which a rule can't be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct SegmentFault {
    /// JSON pointer of the part of the segment, e.g. `/rule/rules/0/custom_field/version`.
    pub(crate) pointer: String,
    /// Broken rule, e.g. `protected`, `type_changed`, `invalid_segment`, `too_slow`.
    pub(crate) rule: String,
    /// Sentence for people.
    pub(crate) message: String,
}

/// Properties of a segment that can change.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SegmentInput {
    /// Name, unique among the segments of the clinic: case, accents, and the shapes of quotes and hyphens make no
    /// difference.
    pub(crate) name: Name<200>,
    /// Description for the clinic's staff.
    #[oai(default)]
    pub(crate) description: Prose<0, 2000>,
    /// Rule, at most 64 KiB.
    pub(crate) rule: SegmentRule,
}

impl Example for SegmentInput {
    fn example() -> Self {
        Self {
            name: Name::from_static("Treated, and away for three months"),
            description: Prose::from_static("For the recall by e-mail."),
            rule: SegmentRule::example(),
        }
    }
}

/// Properties that replace those of a segment.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct UpdateSegment {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// New properties.
    #[oai(flatten)]
    pub(crate) segment: SegmentInput,
}

impl Example for UpdateSegment {
    fn example() -> Self {
        Self { version: 1, segment: SegmentInput::example() }
    }
}

/// Order of a list of segments.
///
/// - `name`: by name, from A to Z
/// - `-name`: by name, from Z to A
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum SegmentSort {
    /// By name.
    #[default]
    #[oai(rename = "name")]
    Name,
    /// By name, descending.
    #[oai(rename = "-name")]
    NameDescending,
}
