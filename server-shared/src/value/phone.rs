//! Telephone numbers.

use std::borrow::Cow;

use phonenumber::{Mode, country::Id};
use poem_openapi::registry::MetaSchema;

use super::text_type;

/// Longest number as typed, in characters.
const LONGEST: usize = 32;
const PATTERN: &str = r"^ *[+(]?[0-9(][0-9 ()/.\u00a0\u2009\u202f\u2010-\u2013-]+$";

/// Telephone number as it was typed. Comparisons use [`PhoneNumber::e164`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// Fault of a number that matches no numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no telephone number of its country")]
pub struct PhoneFault;

impl PhoneNumber {
    pub(super) const RULE: &'static str = "must be a telephone number of 3 to 20 digits";

    /// Accepts `text` if it looks like a number; replaces white space and hyphens by plain ones.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |letter: char| match letter {
            '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
            '\u{2010}'..='\u{2013}' => '-',
            letter => letter,
        };
        let text: String = text.trim().chars().map(plain).collect();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let rest = text.strip_prefix('+').unwrap_or(&text);
        let allowed = rest.bytes().all(|byte| byte.is_ascii_digit() || b" ()/.-".contains(&byte));
        (allowed && (3..=20).contains(&digits) && text.len() <= LONGEST).then_some(Self(text))
    }

    /// Returns the number in E.164, e.g. `+4930123456`. A number in national form is read as a number of `country`;
    /// without a country, only its digits are returned.
    ///
    /// Returns [`PhoneFault`] if no number of that country has this form.
    pub fn e164(&self, country: Option<CountryCode>) -> Result<String, PhoneFault> {
        let text = international(&self.0);
        if !text.starts_with('+') && country.is_none() {
            return Ok(digits(&text));
        }
        let number = phonenumber::parse(country.map(|country| country.0), &*text).map_err(|_| PhoneFault)?;
        Ok(number.format().mode(Mode::E164).to_string())
    }

    /// Returns `true` if the number is in national form, so that its meaning depends on the country.
    pub fn is_national(&self) -> bool {
        !international(&self.0).starts_with('+')
    }

    /// Returns the key by which a stored number is found: E.164 if the number can be parsed, otherwise its digits.
    pub fn key_of(stored: &str, country: Option<CountryCode>) -> String {
        let known = Self::parse(stored).and_then(|number| number.e164(country).ok());
        known.unwrap_or_else(|| digits(&international(stored)))
    }
}

/// Replaces a leading `00` by `+`, and removes the `(0)` of `+44 (0)20…`, which is dialled within the country only.
fn international(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let abroad = text.strip_prefix("00").map(|rest| Cow::Owned(format!("+{rest}"))).unwrap_or(Cow::Borrowed(text));
    if abroad.starts_with('+') && abroad.contains("(0)") {
        // Italy's numbers keep their zero.
        let zero = if abroad.starts_with("+39") { "0" } else { "" };
        return Cow::Owned(abroad.replacen("(0)", zero, 1));
    }
    abroad
}

/// Keeps the digits, and a leading `+`.
fn digits(text: &str) -> String {
    let sign = if text.starts_with('+') { "+" } else { "" };
    sign.chars().chain(text.chars().filter(char::is_ascii_digit)).collect()
}

/// Code of the country (ISO 3166-1 alpha-2) in which national telephone numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountryCode(Id);

impl CountryCode {
    /// Parses a code of two capital letters; returns `None` if the country has no numbering plan.
    pub fn parse(letters: &str) -> Option<Self> {
        let capital = letters.len() == 2 && letters.bytes().all(|letter| letter.is_ascii_uppercase());
        capital.then(|| letters.parse().ok()).flatten().map(Self)
    }
}

text_type!([] PhoneNumber, "phone", MetaSchema {
    format: Some("phone"),
    min_length: Some(3),
    max_length: Some(LONGEST),
    pattern: Some(PATTERN.to_owned()),
    ..MetaSchema::new("string")
});
