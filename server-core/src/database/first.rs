//! First statement of a transaction, executed by the message that opens it.
//!
//! sqlx sends a statement with parameters in messages of its own, so a transaction waits for its begin and then for its
//! first statement. A statement that the connection has prepared under a name is executed with literals, in the message
//! of the begin.

use std::fmt::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// Statement that connections prepare under a name, when they first execute it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prepared {
    /// Name, unique among the statements of the service.
    pub(crate) name: &'static str,
    /// Returns the statement, with parameters `$1`, `$2`, ….
    pub(crate) sql: fn() -> String,
}

/// Literal for a parameter of a [`Prepared`] statement. No text that a caller has sent can be one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Literal<'a> {
    Number(Option<i64>),
    Uuid(Uuid),
    Moment(DateTime<Utc>),
    Bytes(Option<&'a [u8]>),
}

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Some(number)) => write!(f, "{number}"),
            Self::Uuid(uuid) => write!(f, "'{uuid}'"),
            Self::Moment(moment) => write!(f, "'{}'", moment.to_rfc3339_opts(SecondsFormat::Micros, true)),
            Self::Bytes(Some(bytes)) => write!(f, "'\\x{}'", hex::encode(bytes)),
            Self::Number(None) | Self::Bytes(None) => f.write_str("null"),
        }
    }
}

/// Statement that a transaction executes first, with its literals.
#[derive(Debug)]
pub(crate) struct First {
    pub(super) prepared: Prepared,
    pub(super) execute: String,
}

impl First {
    /// Builds the statement with a literal for each of its parameters, in their order.
    pub(crate) fn new(prepared: Prepared, literals: &[Literal<'_>]) -> Self {
        let mut execute = format!(" execute {}(", prepared.name);
        for (place, literal) in literals.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            // Writing to a String can't fail.
            let _ = write!(execute, "{comma}{literal}");
        }
        execute.push_str(");");
        Self { prepared, execute }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_sql() {
        let moment = DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1);
        let literals = [
            Literal::Number(Some(-7)),
            Literal::Number(None),
            Literal::Uuid(Uuid::nil()),
            Literal::Moment(moment),
            Literal::Bytes(Some(&[0, 255])),
            Literal::Bytes(None),
        ];
        let first = First::new(Prepared { name: "told", sql: String::new }, &literals);
        let expected = " execute told(-7, null, '00000000-0000-0000-0000-000000000000', \
                        '1970-01-01T00:00:00.000001Z', '\\x00ff', null);";
        assert_eq!(first.execute, expected);
    }
}
