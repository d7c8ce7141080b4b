//! Conditions as they are evaluated.

use std::{borrow::Cow, cell::OnceCell};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use server_shared::value::folded;

use crate::domain::field::FieldValue;

/// All conditions of a definition, each named by its place.
#[derive(Debug, Default)]
pub(crate) struct Expressions(Vec<Expression>);

/// Place of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpressionId(usize);

/// Condition with resolved keys and typed operands.
#[derive(Debug)]
pub(crate) enum Expression {
    /// True if all are.
    And(Vec<ExpressionId>),
    /// True if one is.
    Or(Vec<ExpressionId>),
    /// True if the other is false.
    Not(ExpressionId),
    /// Test of an answer, a score, or the number of a group's entries.
    Test(Slot, Test),
}

/// Place of the value that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Item outside of groups.
    Outer(usize),
    /// Field of the same entry.
    Inner(usize),
}

/// Test of one value.
#[derive(Debug)]
pub(crate) enum Test {
    IsEmpty,
    Equals(Comparable<'static>),
    NotEquals(Comparable<'static>),
    Less(Comparable<'static>),
    LessOrEqual(Comparable<'static>),
    Greater(Comparable<'static>),
    GreaterOrEqual(Comparable<'static>),
    In(Vec<Comparable<'static>>),
    /// The text contains the other, or the option is chosen.
    Contains(Comparable<'static>),
}

/// Value in the form in which it is compared. Both sides of a comparison are of one variant, because operands have the
/// type of their field.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) enum Comparable<'v> {
    /// Folded text.
    Text(Cow<'v, str>),
    Number(Decimal),
    Boolean(bool),
    Date(NaiveDate),
    Time(NaiveTime),
    Moment(DateTime<Utc>),
    /// Key of an option.
    Choice(Cow<'v, str>),
}

impl Expressions {
    pub(super) fn push(&mut self, expression: Expression) -> ExpressionId {
        self.0.push(expression);
        ExpressionId(self.0.len() - 1)
    }

    /// Returns an expression.
    pub(crate) fn get(&self, id: ExpressionId) -> &Expression {
        &self.0[id.0]
    }
}

/// Returns the form in which a value is compared; `None` for several options, which only `contains` looks into. A text
/// is folded into `once` by the first of the conditions that compare it.
pub(crate) fn comparable<'v>(value: &'v FieldValue, once: &'v OnceCell<String>) -> Option<Comparable<'v>> {
    Some(match value {
        FieldValue::Text(text) => Comparable::Text(Cow::Borrowed(once.get_or_init(|| folded(text)).as_str())),
        FieldValue::Integer(number) => Comparable::Number(Decimal::from(*number)),
        FieldValue::Decimal(number) => Comparable::Number(*number),
        FieldValue::Boolean(truth) => Comparable::Boolean(*truth),
        FieldValue::Date(day) => Comparable::Date(*day),
        FieldValue::Time(time) => Comparable::Time(*time),
        FieldValue::Datetime(moment) => Comparable::Moment(*moment),
        FieldValue::Choice(key) => Comparable::Choice(Cow::Borrowed(key)),
        FieldValue::Choices(_) => return None,
    })
}
