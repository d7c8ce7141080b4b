//! Operands of conditions, by the type of the field that they are compared with.

use std::borrow::Cow;

use serde_json::Value;
use server_shared::value::{Moment, folded};

use super::expression::Comparable;
use crate::domain::{
    field::{
        FieldDefinition, FieldType, OperandFault, boolean_operand, calendar_day, number_operand, option_operand,
        string_operand, text_operand, time_operand,
    },
    form_definition::condition::ConditionOp,
};

/// Way in which values are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Text,
    Number,
    Boolean,
    Date,
    Time,
    Moment,
    /// One option of the field.
    Choice(&'a FieldDefinition),
    /// Several options of the field.
    Choices(&'a FieldDefinition),
    /// Values that can only be present or missing.
    Opaque,
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

    /// Returns the types that an operator applies to, if this is none of them.
    pub(super) fn refuses(self, op: ConditionOp) -> Option<&'static str> {
        let ordered = matches!(self, Self::Number | Self::Date | Self::Time | Self::Moment);
        let (applies, types) = match op {
            ConditionOp::Equals | ConditionOp::NotEquals => (
                ordered || matches!(self, Self::Text | Self::Boolean | Self::Choice(_)),
                "all fields but multiple choices, telephone numbers, files and signatures",
            ),
            ConditionOp::In => (
                ordered || matches!(self, Self::Text | Self::Choice(_)),
                "fields of the types text, long_text, email, integer, decimal, scale, date, time, datetime and \
                 single_choice, to scores and to groups",
            ),
            ConditionOp::Less | ConditionOp::LessOrEqual | ConditionOp::Greater | ConditionOp::GreaterOrEqual => (
                ordered,
                "fields of the types integer, decimal, scale, date, time and datetime, to scores and to groups",
            ),
            ConditionOp::Contains => (
                matches!(self, Self::Text | Self::Choices(_)),
                "fields of the types text, long_text, email and multiple_choice",
            ),
            ConditionOp::IsEmpty | ConditionOp::And | ConditionOp::Or | ConditionOp::Not => (true, "all fields"),
        };
        (!applies).then_some(types)
    }

    /// Reads an operand; returns the broken rule and its message if it is not of this kind.
    pub(super) fn operand(self, value: &Value) -> Result<Comparable<'static>, OperandFault> {
        Ok(match self {
            Self::Text => Comparable::Text(Cow::Owned(folded(text_operand(value)?))),
            Self::Number => Comparable::Number(number_operand(value)?),
            Self::Boolean => Comparable::Boolean(boolean_operand(value)?),
            Self::Date => {
                let message = "must be a day, as YYYY-MM-DD";
                Comparable::Date(calendar_day(string_operand(value, message)?).ok_or(("format", message))?)
            }
            Self::Time => Comparable::Time(time_operand(value)?),
            Self::Moment => {
                let message = "must be a moment of RFC 3339 between the years 1900 and 9999";
                let moment = Moment::parse(string_operand(value, message)?).ok_or(("format", message))?;
                Comparable::Moment(moment.get())
            }
            Self::Choice(definition) | Self::Choices(definition) => {
                Comparable::Choice(Cow::Owned(option_operand(definition, value)?))
            }
            Self::Opaque => return Err(("not_applicable", "does not apply to fields of this type")),
        })
    }
}
