//! Exact decimal numbers.

use std::fmt;

use poem_openapi::registry::MetaSchema;
use rust_decimal::Decimal;
use serde_json::{Number, Value};

use super::poem_type;

/// Most digits before the point.
const WHOLE: usize = 18;
/// Most digits after the point.
const FRACTION: usize = 10;
/// Number of significant digits up to which a JSON number with a fraction is read exactly.
const EXACT: usize = 15;
const PATTERN: &str = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,10})?$";

/// Exact decimal number, written as text: at most 18 digits before the point and 10 after it.
///
/// Its form has no zeros at the end of the fraction, and zero has no sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecimalNumber(Decimal);

impl DecimalNumber {
    pub(super) const RULE: &'static str =
        "must be a decimal number with at most 18 digits before the point and 10 after it";

    /// Parses digits with an optional sign and fraction; returns `None` for any other text or too many digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let are_digits =
            |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let has_zeros = whole.len() > 1 && whole.starts_with('0');
        if has_zeros || !are_digits(whole, WHOLE) || fraction.is_some_and(|part| !are_digits(part, FRACTION)) {
            return None;
        }
        Decimal::from_str_exact(text).ok().map(Self::normalized)
    }

    /// Takes a number that a computation made; returns `None` if it has too many digits.
    pub fn of(number: Decimal) -> Option<Self> {
        Self::parse(&Self::normalized(number).to_string())
    }

    /// Reads a JSON number by its text. Returns `None` if it has too many digits: a parser of JSON keeps a fraction
    /// with more than 15 significant digits only roughly, so such a number must be sent as text.
    pub fn of_json(number: &Number) -> Option<Self> {
        let text = number.to_string();
        if !number.is_f64() {
            return Self::parse(&text);
        }
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, ""));
        let significant = mantissa.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        if significant > EXACT {
            return None;
        }
        let read = if exponent.is_empty() { Decimal::from_str_exact(&text) } else { Decimal::from_scientific(&text) };
        read.ok().and_then(Self::of)
    }

    /// Returns the number.
    pub fn get(self) -> Decimal {
        self.0
    }

    fn normalized(number: Decimal) -> Self {
        Self(if number.is_zero() { Decimal::ZERO } else { number.normalize() })
    }
}

impl fmt::Display for DecimalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

poem_type!(
    [] DecimalNumber,
    "string_decimal",
    MetaSchema {
        min_length: Some(1),
        max_length: Some(WHOLE + FRACTION + 2),
        pattern: Some(PATTERN.to_owned()),
        ..MetaSchema::new("string")
    },
    |number: &Self| Value::String(number.to_string())
);
