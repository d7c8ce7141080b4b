//! Types of constrained texts that programs write, for requests, and of text that rows share. Texts that people type
//! are values of [`server_shared::value`].
//!
//! The `pattern` validator of poem-openapi compiles its expression at every check, and a batch has thousands of
//! texts. These types state the pattern in the specification, so that bodies are checked with an expression
//! that is compiled once. They check it again in plain code, because parameters are not checked against the
//! specification.

use std::{borrow::Cow, ops::Deref, sync::Arc};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Text that all rows of a request share, so that a row costs no copy of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SharedText(Arc<str>);

impl From<String> for SharedText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for SharedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $length:literal, $pattern:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct $name(String);

        impl $name {
            const RULE: &'static str = concat!("must match ", $pattern, " and have at most ", $length, " characters");

            /// Checks `text`.
            pub(crate) fn new(text: String) -> Option<Self> {
                let allowed: fn(&str) -> bool = $allowed;
                (allowed(&text) && (text.len() <= $length || text.chars().count() <= $length)).then_some(Self(text))
            }

            /// Makes a text from a literal of the program that is known to be valid.
            pub(crate) fn literal(text: &'static str) -> Self {
                debug_assert!(Self::new(text.to_owned()).is_some(), "{}", Self::RULE);
                Self(text.to_owned())
            }

            /// Returns the text.
            pub(crate) fn into_inner(self) -> String {
                self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    max_length: Some($length),
                    pattern: Some($pattern.to_owned()),
                    ..MetaSchema::new("string")
                }))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                match value {
                    Some(Value::String(text)) => Self::new(text).ok_or_else(|| ParseError::custom(Self::RULE)),
                    other => Err(ParseError::expected_type(other.unwrap_or_default())),
                }
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                Self::new(value.to_owned()).ok_or_else(|| ParseError::custom(Self::RULE))
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(Value::String(self.0.clone()))
            }
        }
    };
}

text!(
    /// Name given by a program, in `snake_case`.
    Word, 64, "^[a-z][a-z0-9_]*$",
    |text| text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
);

text!(
    /// Id made by another party, without characters that could do harm in logs or rows.
    Identifier, 128, "^[A-Za-z0-9_.:-]+$",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
);

text!(
    /// Name with the form of an IANA time zone; the reader checks that the zone exists.
    Zone, 64, "^[A-Za-z0-9_+/-]+$",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+/-".contains(&b))
);

text!(
    /// Text with the form of an IPv4 or IPv6 address; the reader checks that it is one.
    Address, 45, "^[0-9A-Fa-f.:]+$",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.' || b == b':')
);

text!(
    /// Value of a header without control characters, up to the length that servers commonly accept.
    ///
    /// Kept as it was sent and not brought into the form of a line: an audit event that Core sends must not be refused
    /// because a client named itself by characters that are invisible or change the direction of text.
    HeaderValue, 8192, "^[^\\x00-\\x1f\\x7f]*$",
    |text| !text.bytes().any(|b| b.is_ascii_control())
);

text!(
    /// Position at which a page of signed heads ended: days since 1970 and an organization.
    HeadCursor, 21, "^[0-9]{1,5}:[0-9]{1,15}$",
    |text| {
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        text.split_once(':').is_some_and(|(days, organization)| digits(days, 5) && digits(organization, 15))
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_kept() {
        let word = |text: &str| Word::new(text.to_owned()).is_some();
        assert!(word("appointment_series2"));
        assert!(!word("") && !word("Appointment") && !word("2nd") && !word("a b") && !word(&"a".repeat(65)));
        let id = |text: &str| Identifier::new(text.to_owned()).is_some();
        assert!(id("1041") && id("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41"));
        assert!(!id("") && !id("1 or 1=1") && !id("a\0"));
        let value = |text: &str| HeaderValue::new(text.to_owned()).is_some();
        assert!(value("") && value(" a\u{202e} b\u{ad}\u{85} ") && value(&"ß".repeat(8192)));
        assert!(!value("a\0") && !value("a\nb") && !value(&"ß".repeat(8193)));
        let address = |text: &str| Address::new(text.to_owned()).is_some();
        assert!(address("203.0.113.7") && address("2001:db8::1") && !address("localhost"));
    }

    #[test]
    fn numbers_are_no_text() {
        assert!(Word::parse_from_json(Some(Value::from(7))).is_err());
        assert!(Word::parse_from_json(None).is_err());
    }
}
