//! Languages by their tags.

use poem_openapi::registry::MetaSchema;

use super::text_type;

/// Longest tag, in characters.
const LONGEST: usize = 12;
const PATTERN: &str = "^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$";

/// Language tag of BCP 47 with language, script and region, e.g. `ro`, `de-CH` or `zh-Hant-TW`, in its usual letter
/// case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageTag(String);

impl LanguageTag {
    pub(super) const RULE: &'static str = "must be a language tag, e.g. ro, de-CH or zh-Hant-TW";

    /// Parses a tag in any letter case; returns `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let are_letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
        let mut parts = text.split('-').peekable();
        let language = parts.next().filter(|part| (2..=3).contains(&part.len()) && are_letters(part))?;
        let script = parts.next_if(|part| part.len() == 4 && are_letters(part));
        let is_region = |part: &str| match part.len() {
            2 => are_letters(part),
            3 => part.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        };
        let region = parts.next_if(|part| is_region(part));
        if parts.next().is_some() {
            return None;
        }
        let mut tag = language.to_ascii_lowercase();
        if let Some(script) = script.map(str::to_ascii_lowercase) {
            tag.push('-');
            tag.extend(script.chars().take(1).map(|letter| letter.to_ascii_uppercase()));
            tag.extend(script.chars().skip(1));
        }
        if let Some(region) = region {
            tag.push('-');
            tag.push_str(&region.to_ascii_uppercase());
        }
        Some(Self(tag))
    }
}

text_type!([] LanguageTag, "language", MetaSchema {
    min_length: Some(2),
    max_length: Some(LONGEST),
    pattern: Some(PATTERN.to_owned()),
    ..MetaSchema::new("string")
});
