//! Answers about members, evaluations and single patients.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::mark::Phi;

use super::{
    engine::SegmentRule,
    model::{SegmentFault, SegmentState},
};
use crate::ids::{PatientId, SegmentId};

/// Member of a segment.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SegmentMember {
    /// Id of the patient.
    pub(crate) patient_id: PatientId,
    /// First name.
    pub(crate) first_name: Phi<String>,
    /// Last name.
    pub(crate) last_name: Phi<String>,
    /// Time of the evaluation since which the patient is a member.
    pub(crate) joined_at: DateTime<Utc>,
}

impl Example for SegmentMember {
    fn example() -> Self {
        Self {
            patient_id: PatientId(27),
            first_name: Phi::from("Grace".to_owned()),
            last_name: Phi::from("Sample".to_owned()),
            joined_at: DateTime::UNIX_EPOCH + TimeDelta::days(20_500),
        }
    }
}

/// Change of the members of a segment.
///
/// - `joined`: the patient became a member
/// - `left`: the patient is no member any more
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum SegmentChange {
    /// The patient became a member.
    Joined,
    /// The patient is no member any more.
    Left,
}

/// Entry of the history of a segment.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example)]
pub(crate) struct SegmentHistoryEntry {
    /// Id of the entry.
    pub(crate) id: i64,
    /// Id of the patient.
    pub(crate) patient_id: PatientId,
    /// Change.
    pub(crate) kind: SegmentChange,
    /// Number of the rule by which it was found.
    pub(crate) rule_version: i32,
    /// Time of the evaluation that found it.
    pub(crate) happened_at: DateTime<Utc>,
}

impl Example for SegmentHistoryEntry {
    fn example() -> Self {
        Self {
            id: 4051,
            patient_id: PatientId(27),
            kind: SegmentChange::Joined,
            rule_version: 1,
            happened_at: DateTime::UNIX_EPOCH + TimeDelta::days(20_500),
        }
    }
}

/// Segment that a patient is a member of.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct PatientSegment {
    /// Id of the segment.
    pub(crate) segment_id: SegmentId,
    /// Name of the segment.
    pub(crate) name: String,
    /// Time of the evaluation since which the patient is a member.
    pub(crate) joined_at: DateTime<Utc>,
    /// Time as of which the members of the segment are.
    pub(crate) evaluated_at: Option<DateTime<Utc>>,
    /// State of the segment's rule; with `invalid`, the members stay as they were at `evaluated_at`.
    pub(crate) state: SegmentState,
}

impl Example for PatientSegment {
    fn example() -> Self {
        let joined_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            segment_id: SegmentId(12),
            name: "Treated, and away for three months".to_owned(),
            joined_at,
            evaluated_at: Some(joined_at + TimeDelta::days(1)),
            state: SegmentState::Valid,
        }
    }
}

/// Outcome of an evaluation.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SegmentEvaluation {
    /// Id of the segment.
    pub(crate) segment_id: SegmentId,
    /// Number of the rule.
    pub(crate) rule_version: i32,
    /// State of the rule; with `invalid`, nothing was evaluated and the members stay as they were.
    pub(crate) state: SegmentState,
    /// Reasons for which the rule can't be evaluated, at most 100; empty if it was.
    pub(crate) faults: Vec<SegmentFault>,
    /// Time as of which the members are; absent if the rule has never been evaluated.
    pub(crate) evaluated_at: Option<DateTime<Utc>>,
    /// Counts, and who came and went; absent for specialists, who don't see every patient, and with `invalid`.
    pub(crate) changes: Option<SegmentChanges>,
}

impl Example for SegmentEvaluation {
    fn example() -> Self {
        Self {
            segment_id: SegmentId(12),
            rule_version: 1,
            state: SegmentState::Valid,
            faults: Vec::new(),
            evaluated_at: Some(DateTime::UNIX_EPOCH + TimeDelta::days(20_500)),
            changes: Some(SegmentChanges {
                member_count: 214,
                missing_count: 9,
                joined_count: 2,
                left_count: 1,
                joined: vec![PatientId(27), PatientId(91)],
                left: vec![PatientId(14)],
            }),
        }
    }
}

/// Numbers of an evaluation, and the patients whose membership it has changed.
#[derive(Debug, Clone, Object)]
pub(crate) struct SegmentChanges {
    /// Number of members.
    pub(crate) member_count: i64,
    /// Number of patients who are no members because a value is missing: with it, the rule might be true.
    pub(crate) missing_count: i64,
    /// Number of patients who became members.
    pub(crate) joined_count: i64,
    /// Number of patients who are no members any more.
    pub(crate) left_count: i64,
    /// Ids of the first 100 patients who became members, in their order; the history has all of them.
    pub(crate) joined: Vec<PatientId>,
    /// Ids of the first 100 patients who are no members any more, in their order; the history has all of them.
    pub(crate) left: Vec<PatientId>,
}

/// Rule to try.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct PreviewSegment {
    /// Rule, at most 64 KiB.
    pub(crate) rule: SegmentRule,
    /// Id of the segment whose rule it is going to be, so that a cycle is noticed; absent for a new segment.
    pub(crate) segment_id: Option<SegmentId>,
}

impl Example for PreviewSegment {
    fn example() -> Self {
        Self { rule: SegmentRule::example(), segment_id: None }
    }
}

/// Patients for whom a rule is true now. Nothing is stored.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SegmentPreview {
    /// Number of patients for whom the rule is true.
    pub(crate) member_count: i64,
    /// Number of patients who are left out because a value is missing: with it, the rule might be true.
    pub(crate) missing_count: i64,
    /// Number of patients of the clinic.
    pub(crate) patient_count: i64,
    /// First patients for whom the rule is true, at most 10, in the order of their ids.
    pub(crate) examples: Vec<SegmentExample>,
}

impl Example for SegmentPreview {
    fn example() -> Self {
        let SegmentMember { patient_id, first_name, last_name, .. } = SegmentMember::example();
        let examples = vec![SegmentExample { patient_id, first_name, last_name }];
        Self { member_count: 214, missing_count: 9, patient_count: 2480, examples }
    }
}

/// Patient for whom a rule is true.
#[derive(Debug, Clone, Object)]
pub(crate) struct SegmentExample {
    /// Id of the patient.
    pub(crate) patient_id: PatientId,
    /// First name.
    pub(crate) first_name: Phi<String>,
    /// Last name.
    pub(crate) last_name: Phi<String>,
}

/// Result of a rule for a patient.
///
/// - `true`: it is true
/// - `false`: it is false
/// - `missing`: it is neither, because a value that would decide is missing
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum SegmentResult {
    /// It is true.
    #[oai(rename = "true")]
    True,
    /// It is false.
    #[oai(rename = "false")]
    False,
    /// A value is missing.
    #[oai(rename = "missing")]
    Missing,
}

impl From<Option<bool>> for SegmentResult {
    fn from(result: Option<bool>) -> Self {
        match result {
            Some(true) => Self::True,
            Some(false) => Self::False,
            None => Self::Missing,
        }
    }
}

/// Reasons for which a patient is a member of a segment or not.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SegmentExplanation {
    /// Id of the segment.
    pub(crate) segment_id: SegmentId,
    /// Id of the patient.
    pub(crate) patient_id: PatientId,
    /// `true` if the patient was a member at the last evaluation.
    pub(crate) member: bool,
    /// Time of the evaluation since which the patient is a member; absent if it is none.
    pub(crate) joined_at: Option<DateTime<Utc>>,
    /// Time of the last evaluation; absent before the first.
    pub(crate) evaluated_at: Option<DateTime<Utc>>,
    /// Number of seconds since the last evaluation.
    pub(crate) evaluated_seconds_ago: Option<i64>,
    /// Number of the rule by which the members were found.
    pub(crate) evaluated_rule_version: Option<i32>,
    /// Number of the present rule.
    pub(crate) rule_version: i32,
    /// Result of the present rule for the patient as of now; it may differ from `member` until the next evaluation.
    pub(crate) result: SegmentResult,
    /// Result of each rule in it, each before those that it combines.
    pub(crate) rules: Vec<SegmentRuleResult>,
    /// Pointers of the conditions for which the rule is not true, e.g. `/rule/rules/2`; empty if it is.
    pub(crate) failing: Vec<String>,
}

impl Example for SegmentExplanation {
    fn example() -> Self {
        let result = |pointer: &str, result| SegmentRuleResult { pointer: pointer.to_owned(), result };
        Self {
            segment_id: SegmentId(12),
            patient_id: PatientId(27),
            member: false,
            joined_at: None,
            evaluated_at: Some(DateTime::UNIX_EPOCH + TimeDelta::days(20_500)),
            evaluated_seconds_ago: Some(840),
            evaluated_rule_version: Some(1),
            rule_version: 1,
            result: SegmentResult::False,
            rules: vec![
                result("/rule", SegmentResult::False),
                result("/rule/rules/0", SegmentResult::True),
                result("/rule/rules/1", SegmentResult::False),
                result("/rule/rules/2", SegmentResult::True),
            ],
            failing: vec!["/rule/rules/1".to_owned()],
        }
    }
}

/// Result of a rule at its place.
#[derive(Debug, Clone, Object)]
pub(crate) struct SegmentRuleResult {
    /// JSON pointer of the rule in the segment.
    pub(crate) pointer: String,
    /// Result.
    pub(crate) result: SegmentResult,
}
