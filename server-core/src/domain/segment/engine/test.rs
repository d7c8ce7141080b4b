//! Tests of one value, and their SQL.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::statement::Statement;

/// Half-open range of moments.
pub(super) type Range = (DateTime<Utc>, DateTime<Utc>);

/// Test of a value that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// It is there.
    Present,
    Compare(Comparison, Operand),
    /// It is one of the operands, or in one of the ranges.
    OneOf {
        operands: Vec<Operand>,
        ranges: Vec<Range>,
    },
    /// It is in the range, or with `false` outside of it.
    Within(Range, bool),
    /// The text contains the operand.
    Contains(Operand),
    /// The option is among those that are chosen.
    Holds(String),
}

/// Comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Value that is compared with, in the type of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// Text, compared by its folded form.
    Text(String),
    /// Key of an option, or a status.
    Key(String),
    Number(Decimal),
    /// Count or id.
    Whole(i64),
    Boolean(bool),
    Date(NaiveDate),
    Time(NaiveTime),
    Moment(DateTime<Utc>),
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::NotEqual => " <> ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
        }
    }

    /// Returns `true` if the comparison holds for two whole numbers.
    pub(super) fn holds(self, value: i64, operand: i64) -> bool {
        match self {
            Self::Equal => value == operand,
            Self::NotEqual => value != operand,
            Self::Less => value < operand,
            Self::LessOrEqual => value <= operand,
            Self::Greater => value > operand,
            Self::GreaterOrEqual => value >= operand,
        }
    }
}

impl Operand {
    fn write(&self, sql: &mut Statement) {
        match self {
            Self::Text(text) => sql.push("text_folded(").bind(text.as_str()).push("::text)"),
            Self::Key(key) => sql.bind(key.as_str()).push("::text"),
            // Decimals have no type of their own in the protocol that is used.
            Self::Number(number) => sql.push("(").bind(number.to_string()).push("::text)::numeric"),
            Self::Whole(number) => sql.bind(*number).push("::bigint"),
            Self::Boolean(truth) => sql.bind(*truth).push("::boolean"),
            Self::Date(day) => sql.bind(*day).push("::date"),
            Self::Time(time) => sql.bind(*time).push("::time"),
            Self::Moment(moment) => sql.bind(*moment).push("::timestamptz"),
        };
    }
}

impl Test {
    /// Returns `true` if the test holds for a number of appointments.
    pub(super) fn holds_for(&self, count: i64) -> bool {
        match self {
            Self::Compare(comparison, Operand::Whole(operand)) => comparison.holds(count, *operand),
            Self::OneOf { operands, .. } => operands.contains(&Operand::Whole(count)),
            _ => false,
        }
    }

    /// Writes the test of `subject`, an expression in parts.
    pub(super) fn write(&self, sql: &mut Statement, subject: &[&'static str]) {
        match self {
            Self::Present => {
                sql.push("true");
            }
            Self::Compare(comparison, operand) => {
                write_subject(sql, subject, operand);
                sql.push(comparison.sign());
                operand.write(sql);
            }
            Self::OneOf { operands, ranges } => write_one_of(sql, subject, operands, ranges),
            Self::Within(range, inside) => {
                sql.push(if *inside { "(" } else { "not (" });
                write_range(sql, subject, range);
                sql.push(")");
            }
            Self::Contains(operand) => {
                // No pattern, so that no character of the operand has another meaning.
                sql.push("strpos(");
                write_subject(sql, subject, operand);
                sql.push(", ");
                operand.write(sql);
                sql.push(") > 0");
            }
            Self::Holds(key) => {
                sql.bind(key.as_str()).push("::text = any (");
                write_parts(sql, subject);
                sql.push(")");
            }
        }
    }
}

fn write_one_of(sql: &mut Statement, subject: &[&'static str], operands: &[Operand], ranges: &[Range]) {
    sql.push("(");
    if let Some(first) = operands.first() {
        write_subject(sql, subject, first);
        for (place, operand) in operands.iter().enumerate() {
            sql.push(if place == 0 { " in (" } else { ", " });
            operand.write(sql);
        }
        sql.push(")");
    }
    for (place, range) in ranges.iter().enumerate() {
        sql.push(if place == 0 && operands.is_empty() { "(" } else { " or (" });
        write_range(sql, subject, range);
        sql.push(")");
    }
    sql.push(")");
}

fn write_range(sql: &mut Statement, subject: &[&'static str], (from, until): &Range) {
    write_parts(sql, subject);
    sql.push(" >= ").bind(*from).push("::timestamptz and ");
    write_parts(sql, subject);
    sql.push(" < ").bind(*until).push("::timestamptz");
}

fn write_subject(sql: &mut Statement, subject: &[&'static str], operand: &Operand) {
    let is_folded = matches!(operand, Operand::Text(_));
    if is_folded {
        sql.push("text_folded(");
    }
    write_parts(sql, subject);
    if is_folded {
        sql.push(")");
    }
}

fn write_parts(sql: &mut Statement, parts: &[&'static str]) {
    for part in parts.iter().copied() {
        sql.push(part);
    }
}
