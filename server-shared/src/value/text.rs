//! Names, lines and longer texts.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointSetData, CodePointSetDataBorrowed,
    props::{DefaultIgnorableCodePoint, WhiteSpace},
};
use poem_openapi::registry::MetaSchema;

use super::text_type;

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
const IGNORABLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();
const WHITE_SPACE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<WhiteSpace>();

/// One line without control characters that is not blank, in the terms of JSON Schema.
pub(super) const LINE_PATTERN: &str = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$";
/// The same pattern, but the line may be empty.
const OPTIONAL_LINE_PATTERN: &str = r"^[^\x00-\x1f\x7f]*$";
/// Lines without other control characters than line ends and tabs, not all blank.
const PROSE_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$";
/// The same pattern, but the text may be empty.
const OPTIONAL_PROSE_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$";

/// Name of a person or a thing: 1 to `MAX` characters.
///
/// NFC, trimmed, one space between words. It has a visible character and no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<const MAX: usize>(String);

/// One line of text: `MIN` to `MAX` characters; with `MIN` 0 it may be blank, which is the empty text.
///
/// NFC, trimmed. It has no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line<const MIN: usize, const MAX: usize>(String);

/// Text of any number of lines: `MIN` to `MAX` characters; with `MIN` 0 it may be blank, which is the empty text.
///
/// NFC, trimmed, lines end with a line feed. It has no control characters but line feeds and tabs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prose<const MIN: usize, const MAX: usize>(String);

impl<const MAX: usize> Name<MAX> {
    pub(super) const RULE: &'static str = "must have a visible character and no control characters";

    /// Normalizes a name; returns `None` if `text` is not a name or is longer than `MAX` characters.
    pub fn parse(text: &str) -> Option<Self> {
        let name = as_name(text)?;
        fits(&name, 1, MAX).then_some(Self(name))
    }

    /// Makes a name of a text that was not typed here and so can't be refused: removes the characters that a name must
    /// not have, and cuts to `MAX` characters. Returns `None` if nothing visible is left.
    pub fn cleaned(text: &str) -> Option<Self> {
        Self::parse(&text.chars().filter(|letter| !is_refused(*letter)).take(MAX).collect::<String>())
    }
}

impl<const MIN: usize, const MAX: usize> Line<MIN, MAX> {
    pub(super) const RULE: &'static str =
        "must be one line, with a visible character unless it is empty, without control characters";

    /// Normalizes a line; returns `None` if `text` is not a line or does not have `MIN` to `MAX` characters.
    pub fn parse(text: &str) -> Option<Self> {
        let line = as_line(text)?;
        fits(&line, MIN, MAX).then_some(Self(line))
    }
}

impl<const MIN: usize, const MAX: usize> Prose<MIN, MAX> {
    pub(super) const RULE: &'static str =
        "must have a visible character unless it is empty, and no control characters but line ends and tabs";

    /// Normalizes a longer text; returns `None` if it has other control characters or does not have `MIN` to `MAX`
    /// characters.
    pub fn parse(text: &str) -> Option<Self> {
        let prose = as_prose(text)?;
        fits(&prose, MIN, MAX).then_some(Self(prose))
    }
}

impl<const MAX: usize> Default for Line<0, MAX> {
    fn default() -> Self {
        Self(String::new())
    }
}

impl<const MAX: usize> Default for Prose<0, MAX> {
    fn default() -> Self {
        Self(String::new())
    }
}

text_type!([const MAX: usize] Name<MAX>, "name", schema("name", LINE_PATTERN, 1, MAX));
text_type!(
    [const MIN: usize, const MAX: usize] Line<MIN, MAX>,
    "line",
    schema("line", if MIN == 0 { OPTIONAL_LINE_PATTERN } else { LINE_PATTERN }, MIN, MAX)
);
text_type!(
    [const MIN: usize, const MAX: usize] Prose<MIN, MAX>,
    "text",
    schema("text", if MIN == 0 { OPTIONAL_PROSE_PATTERN } else { PROSE_PATTERN }, MIN, MAX)
);

fn schema(format: &'static str, pattern: &str, min: usize, max: usize) -> MetaSchema {
    MetaSchema {
        format: Some(format),
        min_length: (min > 0).then_some(min),
        max_length: Some(max),
        pattern: Some(pattern.to_owned()),
        ..MetaSchema::new("string")
    }
}

fn fits(text: &str, min: usize, max: usize) -> bool {
    let most = text.len();
    // A text has at most as many characters as bytes: short ones need no count.
    if most <= max && (min == 0 || (min == 1 && most >= 1)) {
        return true;
    }
    (min..=max).contains(&text.chars().count())
}

/// Returns the normalized name; `None` without a visible character or with a control character.
pub(super) fn as_name(text: &str) -> Option<String> {
    let line = as_line(text).filter(|line| !line.is_empty())?;
    let mut name = String::with_capacity(line.len());
    for word in line.split(is_white).filter(|word| !word.is_empty()) {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(word);
    }
    Some(name)
}

/// Returns the normalized line, which is empty for a blank one; `None` with a control character, or with only invisible
/// characters.
pub(super) fn as_line(text: &str) -> Option<String> {
    if text.chars().any(is_refused) { None } else { seen(text) }
}

/// Returns the normalized text, which is empty for a blank one; `None` with a control character, or with only invisible
/// characters.
pub(super) fn as_prose(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let allowed = |letter: char| matches!(letter, '\n' | '\t') || !(letter.is_control() || breaks_direction(letter));
    text.chars().all(allowed).then(|| seen(&text)).flatten()
}

/// Returns `true` if a character must not be in one line of text.
fn is_refused(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') || breaks_direction(letter)
}

/// Returns the text in NFC and trimmed; an empty text if it is blank, and `None` if it has only invisible characters.
fn seen(text: &str) -> Option<String> {
    let text = NFC.normalize(text);
    let is_edge = |letter: char| is_white(letter) || IGNORABLE.contains(letter);
    let trimmed = text.trim_start_matches(is_edge).trim_end_matches(|letter| is_edge(letter) && !selects_shape(letter));
    if trimmed.is_empty() {
        return text.chars().all(is_white).then(String::new);
    }
    // Unicode classifies the blank of braille as a symbol, but it is invisible.
    trimmed.chars().any(|letter| !is_white(letter) && !is_invisible(letter)).then(|| trimmed.to_owned())
}

pub(super) fn is_white(letter: char) -> bool {
    WHITE_SPACE.contains(letter)
}

/// Returns `true` if a character is invisible: default-ignorable in Unicode, or the blank pattern of braille.
pub(super) fn is_invisible(letter: char) -> bool {
    IGNORABLE.contains(letter) || letter == '\u{2800}'
}

/// Returns `true` if a character changes the shape of the one before it: variation selectors, which distinguish the
/// forms of a Japanese name, and the tags of flags.
fn selects_shape(letter: char) -> bool {
    matches!(
        letter,
        '\u{180b}'..='\u{180d}'
            | '\u{180f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0020}'..='\u{e007f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Returns `true` if a character changes the display order of the text after it: embeddings, overrides and isolates of
/// the bidirectional algorithm. The marks that single words need (U+061C, U+200E, U+200F) are excluded.
fn breaks_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the composed form (NFC).
pub(super) fn composed(text: &str) -> std::borrow::Cow<'_, str> {
    NFC.normalize(text)
}
