//! Types for values that people type. They normalize a value before it is compared or stored.
//!
//! Request bodies and parameters hold these types in place of `String` and `DateTime`. Each type publishes its rules in
//! the specification as a pattern and a [`format`](FORMATS); bodies are checked against both before they are parsed, so
//! that a fault names its field. Parsing then normalizes the value.
//!
//! | Type | Form |
//! |---|---|
//! | [`Name`] | NFC, trimmed, one space between words, a visible character, no control characters |
//! | [`Line`] | NFC, trimmed, no control characters |
//! | [`Prose`] | NFC, trimmed, line feeds as line ends, no other control characters but tabs |
//! | [`EmailAddress`] | NFC, host in its ASCII form |
//! | [`PhoneNumber`] | as typed; compared as E.164 |
//! | [`Moment`] | UTC in microseconds, from 1900 to 9999; a leap second is the next second |
//! | [`Key`] | a letter, then letters, digits and underscores, in lower case |
//! | [`DecimalNumber`] | exact, as text, without zeros at the end of the fraction |
//! | [`LanguageTag`] | BCP 47 in its usual letter case |
//!
//! Search and uniqueness compare [`folded`] text; lists sort by [`sort_key`]. Stored keys carry [`KEYS_VERSION`].

mod email;
mod fold;
mod format;
mod key;
mod language;
mod moment;
mod number;
mod phone;
mod sort;
#[cfg(test)]
mod tests;
mod text;

pub use self::{
    email::EmailAddress,
    fold::{folded, folded_words},
    format::{FORMATS, Format},
    key::Key,
    language::LanguageTag,
    moment::Moment,
    number::DecimalNumber,
    phone::{CountryCode, PhoneFault, PhoneNumber},
    sort::{KEYS_VERSION, NameKeys, sort_key},
    text::{Line, Name, Prose},
};

/// Implements poem-openapi's traits for a type that is read from text by `Self::parse`; `$to_json` writes it.
macro_rules! poem_type {
    ([$($generics:tt)*] $type:ty, $name:expr, $schema:expr, $to_json:expr) => {
        impl<$($generics)*> poem_openapi::types::Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl<$($generics)*> poem_openapi::types::ParseFromJSON for $type {
            fn parse_from_json(value: Option<serde_json::Value>) -> poem_openapi::types::ParseResult<Self> {
                match value {
                    Some(serde_json::Value::String(text)) => {
                        Self::parse(&text).ok_or_else(|| poem_openapi::types::ParseError::custom(Self::RULE))
                    }
                    other => Err(poem_openapi::types::ParseError::expected_type(other.unwrap_or_default())),
                }
            }
        }

        impl<$($generics)*> poem_openapi::types::ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> poem_openapi::types::ParseResult<Self> {
                Self::parse(text).ok_or_else(|| poem_openapi::types::ParseError::custom(Self::RULE))
            }
        }

        impl<$($generics)*> poem_openapi::types::ToJSON for $type {
            fn to_json(&self) -> Option<serde_json::Value> {
                let to_json: fn(&Self) -> serde_json::Value = $to_json;
                Some(to_json(self))
            }
        }
    };
}
use poem_type;

/// Gives a type of text its accessors, and poem-openapi's traits.
macro_rules! text_type {
    ([$($generics:tt)*] $type:ty, $name:literal, $schema:expr) => {
        impl<$($generics)*> $type {
            /// Returns the normalized text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Wraps a text of the program itself, which must be normalized already.
            pub fn from_static(text: &'static str) -> Self {
                Self(text.to_owned())
            }

            /// Returns the normalized text and consumes the value.
            pub fn into_inner(self) -> String {
                self.0
            }
        }

        impl<$($generics)*> AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<$($generics)*> From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        /// Hides the text, because text that people type may be personal and must not appear in logs.
        impl<$($generics)*> std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!($name, "(…)"))
            }
        }

        super::poem_type!(
            [$($generics)*] $type,
            concat!("string_", $name),
            $schema,
            |value: &Self| serde_json::Value::String(value.0.clone())
        );
    };
}
use text_type;
