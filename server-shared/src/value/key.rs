//! Keys that people give to things: of fields, options, sections.

use poem_openapi::registry::MetaSchema;

use super::text_type;

/// Longest key, in characters.
const LONGEST: usize = 63;
const PATTERN: &str = "^[a-z][a-z0-9_]{0,62}$";

/// Key by which programs name a thing that people defined: a letter, then letters, digits and underscores, all in lower
/// case; at most 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    pub(super) const RULE: &'static str = "must be a letter, then letters, digits and underscores, all in lower case";

    /// Takes a text that is a key already; returns `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let letter = |byte: u8| byte.is_ascii_lowercase();
        let begins = text.bytes().next().is_some_and(letter);
        let goes_on = text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit() || byte == b'_');
        (begins && goes_on && text.len() <= LONGEST).then(|| Self(text.to_owned()))
    }
}

text_type!([] Key, "key", MetaSchema {
    min_length: Some(1),
    max_length: Some(LONGEST),
    pattern: Some(PATTERN.to_owned()),
    ..MetaSchema::new("string")
});
