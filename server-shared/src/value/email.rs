//! E-mail addresses.

use icu_casemap::CaseMapper;
use poem_openapi::registry::MetaSchema;

use super::{
    text::{composed, is_invisible, is_white},
    text_type,
};

/// Longest address, in characters (RFC 5321, without the brackets of the path).
const LONGEST: usize = 254;
const PATTERN: &str = r"^ *[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+ *$";

/// E-mail address in NFC, with the host in ASCII form and lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    pub(super) const RULE: &'static str = "must be an e-mail address with a valid host name";

    /// Parses and normalizes an address; returns `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = composed(text.trim_matches(is_white));
        let (local, host) = text.split_once('@')?;
        let plain = |letter: char| !(is_white(letter) || is_invisible(letter) || letter.is_control() || letter == '@');
        if local.is_empty() || !local.chars().all(plain) || !host.chars().all(plain) {
            return None;
        }
        let host = idna::domain_to_ascii(host).ok()?;
        let host = host.strip_suffix('.').unwrap_or(&host);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !host.split('.').all(is_label) {
            return None;
        }
        let address = format!("{local}@{host}");
        (address.chars().count() <= LONGEST).then_some(Self(address))
    }

    /// Returns the key by which addresses are compared, of an address in any form; in it, the local part is
    /// case-folded, too. If the text is not an address, returns the case-folded text.
    ///
    /// The standard makes local parts case-sensitive, but no provider treats them so.
    pub fn key_of(stored: &str) -> String {
        let parsed = Self::parse(stored);
        let text = parsed.as_ref().map_or(stored.trim(), Self::as_str);
        composed(&CaseMapper::new().fold_string(text)).into_owned()
    }
}

text_type!([] EmailAddress, "email", MetaSchema {
    format: Some("idn-email"),
    min_length: Some(3),
    max_length: Some(LONGEST),
    pattern: Some(PATTERN.to_owned()),
    ..MetaSchema::new("string")
});
