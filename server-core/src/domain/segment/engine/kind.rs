//! Kinds of values, the operators that apply to them, and their operands.

use chrono::NaiveDate;
use serde_json::Value;
use server_shared::value::Moment;

use super::{
    day,
    known::Known,
    rule::SegmentOp,
    test::{Comparison, Operand, Test},
};
use crate::{
    domain::{
        appointment::AppointmentStatus,
        field::{
            FieldDefinition, FieldType, OperandFault, boolean_operand, number_operand, option_operand, string_operand,
            text_operand, time_operand,
        },
    },
    ids::AppointmentTemplateId,
};

/// Way in which values are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Text,
    Number,
    /// Number of appointments, at least 0.
    Count,
    Boolean,
    Date,
    Time,
    Moment,
    /// One option of a field.
    Choice(&'a FieldDefinition),
    /// Several options of a field.
    Choices(&'a FieldDefinition),
    /// One of these statuses.
    Status(&'a [AppointmentStatus]),
    /// Id of an appointment template, one of these unless there are none.
    Template(&'a [AppointmentTemplateId]),
    /// Values that can only be present or missing.
    Opaque,
}

/// Operand of a comparison before it is known which operator it has.
enum Given {
    Plain(Operand),
    Day(NaiveDate),
    Option(String),
}

impl<'a> Kind<'a> {
    pub(super) fn of(definition: &'a FieldDefinition) -> Self {
        match definition.field_type {
            FieldType::Text | FieldType::LongText | FieldType::Email => Self::Text,
            FieldType::Integer | FieldType::Decimal | FieldType::Scale => Self::Number,
            FieldType::Boolean => Self::Boolean,
            FieldType::Date => Self::Date,
            FieldType::Time => Self::Time,
            FieldType::Datetime => Self::Moment,
            FieldType::SingleChoice => Self::Choice(definition),
            FieldType::MultipleChoice => Self::Choices(definition),
            FieldType::Phone | FieldType::File | FieldType::Signature => Self::Opaque,
        }
    }

    /// Returns the column of a typed table that has values of this kind; `None` if no such table has any.
    pub(super) fn column(self) -> Option<&'static str> {
        Some(match self {
            Self::Text | Self::Choice(_) | Self::Opaque => "text_value",
            Self::Number => "number_value",
            Self::Boolean => "boolean_value",
            Self::Date => "date_value",
            Self::Time => "time_value",
            Self::Moment => "datetime_value",
            Self::Choices(_) => "choices_value",
            Self::Count | Self::Status(_) | Self::Template(_) => return None,
        })
    }

    /// Returns the subjects that an operator applies to, if this is none of them.
    pub(super) fn refuses(self, op: SegmentOp) -> Option<&'static str> {
        let ordered = matches!(self, Self::Number | Self::Count | Self::Date | Self::Time | Self::Moment);
        let named = matches!(self, Self::Text | Self::Choice(_) | Self::Status(_) | Self::Template(_));
        let (applies, subjects) = match op {
            SegmentOp::Equals | SegmentOp::NotEquals => (
                ordered || named || matches!(self, Self::Boolean),
                "everything but multiple choices, telephone numbers, files and signatures",
            ),
            SegmentOp::In => (ordered || named, "texts, numbers, days, times, moments and single choices"),
            SegmentOp::Less | SegmentOp::LessOrEqual | SegmentOp::Greater | SegmentOp::GreaterOrEqual => {
                (ordered, "numbers, days, times and moments")
            }
            SegmentOp::Contains => (matches!(self, Self::Text | Self::Choices(_)), "texts and multiple choices"),
            SegmentOp::IsMissing | SegmentOp::IsPresent => (true, "everything"),
            SegmentOp::IsMember => (false, "segments"),
            SegmentOp::And | SegmentOp::Or | SegmentOp::Not => (false, "other rules"),
        };
        (!applies).then_some(subjects)
    }

    /// Returns the test that compares a value with one operand.
    pub(super) fn compared(self, op: SegmentOp, value: &Value, known: &Known) -> Result<Test, OperandFault> {
        let comparison = match op {
            SegmentOp::NotEquals => Comparison::NotEqual,
            SegmentOp::Less => Comparison::Less,
            SegmentOp::LessOrEqual => Comparison::LessOrEqual,
            SegmentOp::Greater => Comparison::Greater,
            SegmentOp::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => Comparison::Equal,
        };
        Ok(match self.given(value, known)? {
            Given::Option(key) => Test::Holds(key),
            Given::Plain(operand) if op == SegmentOp::Contains => Test::Contains(operand),
            Given::Plain(operand) => Test::Compare(comparison, operand),
            Given::Day(day) => known.on_day(comparison, day),
        })
    }

    /// Returns the test that looks for a value among several.
    pub(super) fn one_of(self, values: &[Value], known: &Known) -> Result<Test, Vec<(usize, OperandFault)>> {
        let (mut operands, mut days, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (index, value) in values.iter().enumerate() {
            match self.given(value, known) {
                Ok(Given::Plain(operand)) if !operands.contains(&operand) => operands.push(operand),
                Ok(Given::Day(day)) if !days.contains(&day) => days.push(day),
                Ok(_) => faults.push((index, ("repeated", "repeats another value"))),
                Err(fault) => faults.push((index, fault)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Test::OneOf { operands, ranges: days.into_iter().map(|day| known.range(day)).collect() })
    }

    fn given(self, value: &Value, known: &Known) -> Result<Given, OperandFault> {
        Ok(match self {
            Self::Text => Given::Plain(Operand::Text(text_operand(value)?.to_owned())),
            Self::Number => Given::Plain(Operand::Number(number_operand(value)?)),
            Self::Count => {
                let message = "must be a whole number from 0 to 1,000,000";
                let count = value.as_i64().ok_or(("type", message))?;
                if !(0..=1_000_000).contains(&count) {
                    return Err(("range", message));
                }
                Given::Plain(Operand::Whole(count))
            }
            Self::Boolean => Given::Plain(Operand::Boolean(boolean_operand(value)?)),
            Self::Date => {
                let message = "must be a day, as YYYY-MM-DD or like today-30d";
                let day = day::day(string_operand(value, message)?, known.today()).ok_or(("format", message))?;
                Given::Plain(Operand::Date(day))
            }
            Self::Time => Given::Plain(Operand::Time(time_operand(value)?)),
            Self::Moment => {
                let message = "must be a day, as YYYY-MM-DD or like today-30d, or a moment of RFC 3339";
                let text = string_operand(value, message)?;
                match day::day(text, known.today()) {
                    Some(day) => Given::Day(day),
                    None => Given::Plain(Operand::Moment(Moment::parse(text).ok_or(("format", message))?.get())),
                }
            }
            Self::Choice(definition) => Given::Plain(Operand::Key(option_operand(definition, value)?)),
            Self::Choices(definition) => Given::Option(option_operand(definition, value)?),
            Self::Status(statuses) => {
                let message = "must be one of the statuses that count";
                let status = string_operand(value, message)?;
                if !statuses.iter().any(|known| status_text(*known) == status) {
                    return Err(("option", message));
                }
                Given::Plain(Operand::Key(status.to_owned()))
            }
            Self::Template(templates) => {
                let id = value.as_i64().map(AppointmentTemplateId);
                let id = id.ok_or(("type", "must be the id of an appointment template"))?;
                if !templates.is_empty() && !templates.contains(&id) {
                    return Err(("option", "must be one of the templates that count"));
                }
                if !known.appointment_templates.contains(&id) {
                    return Err(("unknown_reference", "must be an appointment template of the organization"));
                }
                Given::Plain(Operand::Whole(id.0))
            }
            Self::Opaque => return Err(("not_applicable", "does not apply to fields of this type")),
        })
    }
}

/// Returns a status as the database writes it.
pub(super) fn status_text(status: AppointmentStatus) -> &'static str {
    match status {
        AppointmentStatus::Held => "held",
        AppointmentStatus::Expired => "expired",
        AppointmentStatus::Scheduled => "scheduled",
        AppointmentStatus::Confirmed => "confirmed",
        AppointmentStatus::InProgress => "in_progress",
        AppointmentStatus::Completed => "completed",
        AppointmentStatus::Cancelled => "cancelled",
        AppointmentStatus::NoShow => "no_show",
    }
}
