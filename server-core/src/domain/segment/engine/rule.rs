use poem_openapi::{Enum, Object, types::Example};
use serde_json::{Value, json};
use server_shared::value::{Key, Line};

use crate::{
    domain::appointment::AppointmentStatus,
    ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, SegmentId},
};

/// Maximum depth of a rule: the number of rules from the outermost to the innermost.
pub(super) const DEEPEST: usize = 8;
/// Maximum number of rules in a rule, itself counted.
pub(super) const MOST_NODES: usize = 200;

/// Rule of a segment, with at most 200 rules in it, itself counted, on at most 8 levels.
///
/// `op` decides which other fields must be present; others must not be. A rule that compares something names exactly
/// one of `attribute`, `custom_field`, `appointments`, `form` and `segment_id`.
///
/// A rule is true, false or, for want of a value, unknown; members are the patients for whom it is true. A comparison
/// with a missing value is unknown, `not_equals` too, unless `missing` says otherwise; so is `not` of an unknown rule.
/// `and` is false if one of its rules is, and `or` is true if one is, whatever the others are. 0, `false` and an empty
/// selection are values. Texts are compared without regard to letter case and accents.
///
/// Protected health information can't be used: it is encrypted, so the database can't compare it.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SegmentRule {
    /// Operator.
    pub(crate) op: SegmentOp,
    /// Rules that `and` and `or` combine (1 to 50), or the one that `not` reverses; none for other operators.
    #[oai(default, validator(max_items = 50))]
    pub(crate) rules: Vec<SegmentRule>,
    /// Attribute of the patient's record: `created_at` (a moment), or one of `has_login`, `has_email`, `has_phone`,
    /// `has_date_of_birth`, `has_national_id`, `has_address`, `has_emergency_contact` (`true` or `false`). Absent if
    /// the rule is about something else.
    pub(crate) attribute: Option<Key>,
    /// Custom field of patients; absent if the rule is about something else.
    pub(crate) custom_field: Option<SegmentField>,
    /// Number of appointments, or a property of one of them; absent if the rule is about something else.
    pub(crate) appointments: Option<SegmentAppointments>,
    /// Answer or score of a form; absent if the rule is about something else.
    pub(crate) form: Option<SegmentForm>,
    /// Id of another segment, for `is_member`; absent for other operators. The other segment must not read the members
    /// of this one, directly or through others.
    pub(crate) segment_id: Option<SegmentId>,
    /// Value to compare with, of the type of the subject: a text, `true` or `false`, a whole number, the key of an
    /// option, the status of an appointment, or the id of an appointment template. A number with a fraction is written
    /// as text, e.g. `"1.5"`. A day is `YYYY-MM-DD`, or relative to today in the organization's time zone: `today`,
    /// `today-30d`, `today+2w`, `today-6m`, `today-1y` (days, weeks, months, years). A moment is compared with a day,
    /// or with a moment of RFC 3339. Absent for `in` and for operators that compare nothing.
    pub(crate) value: Option<Value>,
    /// Values of `in`, 1 to 100 different ones in the form of `value`; none for other operators.
    #[oai(default, validator(max_items = 100))]
    pub(crate) values: Vec<Value>,
    /// Treatment of a missing value; `exclude` if left out. Only for operators that compare something that may be
    /// missing.
    pub(crate) missing: Option<SegmentMissing>,
}

/// Operator of a rule.
///
/// - `and`: all `rules` are true
/// - `or`: at least one of `rules` is true
/// - `not`: the one rule in `rules` is false
/// - `equals`: the subject is `value`; a moment is on the day `value`
/// - `not_equals`: the subject is another than `value`
/// - `less`: the subject is less than `value`, or earlier; a moment is before the day
/// - `less_or_equal`: the subject is `value`, less or earlier; a moment is on the day or before
/// - `greater`: the subject is greater than `value`, or later; a moment is after the day
/// - `greater_or_equal`: the subject is `value`, greater or later; a moment is on the day or after
/// - `in`: the subject is one of `values`
/// - `contains`: the text contains `value`; for a field of the type `multiple_choice`, the option `value` is chosen
/// - `is_missing`: there is no value
/// - `is_present`: there is a value
/// - `is_member`: the patient is a member of the segment `segment_id`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SegmentOp {
    /// All are true.
    And,
    /// One is true.
    Or,
    /// It is false.
    Not,
    /// It is the value.
    Equals,
    /// It is another value.
    NotEquals,
    /// It is less.
    Less,
    /// It is less or equal.
    LessOrEqual,
    /// It is greater.
    Greater,
    /// It is greater or equal.
    GreaterOrEqual,
    /// It is one of the values.
    In,
    /// It contains the value.
    Contains,
    /// There is no value.
    IsMissing,
    /// There is a value.
    IsPresent,
    /// The patient is a member.
    IsMember,
}

/// Treatment of a missing value.
///
/// - `exclude`: the comparison is unknown, so it makes nobody a member
/// - `include`: the comparison is true
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SegmentMissing {
    /// The comparison is unknown.
    Exclude,
    /// The comparison is true.
    Include,
}

/// Custom field of patients.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SegmentField {
    /// Id of the field.
    pub(crate) custom_field_id: CustomFieldId,
    /// Version of the field that the rule was written for, from 1; the present one if left out. Values of versions with
    /// another type or unit count as missing.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: Option<i32>,
}

/// Appointments of the patient, without holds and deleted ones.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SegmentAppointments {
    /// Subject of the rule.
    pub(crate) measure: SegmentMeasure,
    /// Statuses of the appointments that count, without `held` and `expired`; `scheduled`, `confirmed`, `in_progress`
    /// and `completed` if left out.
    #[oai(default, validator(max_items = 6, unique_items))]
    pub(crate) statuses: Vec<AppointmentStatus>,
    /// Ids of the templates that the appointments were booked by, at most 50; any or none if left out.
    #[oai(default, validator(max_items = 50, unique_items))]
    pub(crate) appointment_template_ids: Vec<AppointmentTemplateId>,
    /// First day on which counted appointments begin, `YYYY-MM-DD` or relative like `today-90d`; any if left out. Only
    /// for `count`.
    pub(crate) from: Option<Line<1, 20>>,
    /// Last day on which counted appointments begin, in the same form; any if left out. Only for `count`.
    pub(crate) to: Option<Line<1, 20>>,
}

/// Number or property of appointments.
///
/// - `count`: number of the appointments; 0 if there is none
/// - `last_at`: time of the last one that has begun; missing if none has
/// - `last_status`: its status
/// - `last_template`: id of its template; missing if it has none
/// - `next_at`: time of the next one that has not begun; missing if there is none
/// - `next_status`: its status
/// - `next_template`: id of its template; missing if it has none
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SegmentMeasure {
    /// Number of appointments.
    Count,
    /// Time of the last one.
    LastAt,
    /// Status of the last one.
    LastStatus,
    /// Template of the last one.
    LastTemplate,
    /// Time of the next one.
    NextAt,
    /// Status of the next one.
    NextStatus,
    /// Template of the next one.
    NextTemplate,
}

impl SegmentMeasure {
    /// Returns `true` if it is the id of an appointment template.
    pub(super) fn is_template(self) -> bool {
        matches!(self, Self::LastTemplate | Self::NextTemplate)
    }
}

/// Answer or score of the patient's latest submitted form of a template that is not void.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SegmentForm {
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Version of the template that the rule was written for, from 1; the last published one if left out. Answers to
    /// versions in which the item has another type or unit count as missing.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: Option<i32>,
    /// Key of a field outside of groups, or of a score.
    pub(crate) key: Key,
}

impl SegmentRule {
    /// Returns a rule with an operator and nothing else.
    pub(super) fn of(op: SegmentOp) -> Self {
        Self {
            op,
            rules: Vec::new(),
            attribute: None,
            custom_field: None,
            appointments: None,
            form: None,
            segment_id: None,
            value: None,
            values: Vec::new(),
            missing: None,
        }
    }
}

impl Example for SegmentRule {
    fn example() -> Self {
        let completed = |measure| {
            Some(SegmentAppointments {
                measure,
                statuses: vec![AppointmentStatus::Completed],
                appointment_template_ids: Vec::new(),
                from: None,
                to: None,
            })
        };
        let treated = Self {
            appointments: completed(SegmentMeasure::Count),
            value: Some(json!(3)),
            ..Self::of(SegmentOp::GreaterOrEqual)
        };
        let away = Self {
            appointments: completed(SegmentMeasure::LastAt),
            value: Some(json!("today-90d")),
            ..Self::of(SegmentOp::Less)
        };
        let reached = Self {
            attribute: Some(Key::from_static("has_email")),
            value: Some(json!(true)),
            ..Self::of(SegmentOp::Equals)
        };
        Self { rules: vec![treated, away, reached], ..Self::of(SegmentOp::And) }
    }
}
