//! Operands of conditions, by the type of the field that they are compared with.

use std::borrow::Cow;

use chrono::{NaiveDate, NaiveTime};
use rust_decimal::Decimal;
use serde_json::Value;
use server_shared::{
    http::document::LARGEST_INTEGER,
    value::{DecimalNumber, Moment, folded},
};

use super::expression::Comparable;
use crate::domain::{
    field::{FieldDefinition, FieldType},
    form_definition::condition::ConditionOp,
};

/// Maximum number of characters of a text operand.
const LONGEST: usize = 500;

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
    pub(super) fn operand(self, value: &Value) -> Result<Comparable<'static>, (&'static str, &'static str)> {
        let text = |message| value.as_str().ok_or(("type", message));
        match self {
            Self::Text => {
                let given = text("must be a text")?;
                let key = folded(given);
                if key.is_empty() || given.chars().count() > LONGEST {
                    return Err(("length", "must have 1 to 500 characters, and not only blanks and accents"));
                }
                Ok(Comparable::Text(Cow::Owned(key)))
            }
            Self::Number => {
                let message = "must be a whole number, or a decimal number as text, e.g. \"1.5\"";
                number(value).map(Comparable::Number).ok_or(("type", message))
            }
            Self::Boolean => value.as_bool().map(Comparable::Boolean).ok_or(("type", "must be true or false")),
            Self::Date => {
                let message = "must be a day, as YYYY-MM-DD";
                date(text(message)?).map(Comparable::Date).ok_or(("format", message))
            }
            Self::Time => {
                let message = "must be a time of day, as HH:MM or HH:MM:SS";
                time(text(message)?).map(Comparable::Time).ok_or(("format", message))
            }
            Self::Moment => {
                let message = "must be a moment of RFC 3339 between the years 1900 and 9999";
                let moment = Moment::parse(text(message)?).ok_or(("format", message))?;
                Ok(Comparable::Moment(moment.get()))
            }
            Self::Choice(definition) | Self::Choices(definition) => {
                let message = "must be the key of an option of the field";
                let option = definition.option(text(message)?).ok_or(("option", message))?;
                Ok(Comparable::Choice(Cow::Owned(option.key.as_str().to_owned())))
            }
            Self::Opaque => Err(("not_applicable", "does not apply to fields of this type")),
        }
    }
}

/// Reads a number without a float: a definition is hashed, and a float has several forms.
fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => DecimalNumber::parse(text).map(DecimalNumber::get),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|whole| (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(whole))?;
            Some(Decimal::from(whole))
        }
        _ => None,
    }
}

fn is_plain(text: &str, separator: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == separator)
}

fn date(text: &str) -> Option<NaiveDate> {
    if text.len() != 10 || !is_plain(text, b'-') {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

fn time(text: &str) -> Option<NaiveTime> {
    let format = match text.len() {
        5 => "%H:%M",
        8 if !text.ends_with("60") => "%H:%M:%S",
        _ => return None,
    };
    is_plain(text, b':').then(|| NaiveTime::parse_from_str(text, format).ok()).flatten()
}
