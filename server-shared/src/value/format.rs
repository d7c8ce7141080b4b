//! Formats of the specification that JSON Schema does not define, or that are stricter here.

use super::{
    email::EmailAddress,
    moment::Moment,
    phone::PhoneNumber,
    text::{Line, Name, Prose, as_line, as_name, as_prose},
};

/// Format of the specification.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Name of the format in the keyword `format`.
    pub name: &'static str,
    /// Function that returns `true` if a text has the format.
    pub is_valid: fn(&str) -> bool,
    /// Brings a text into its form; `None` for one that has none, or of which no rule depends on the form.
    pub form: fn(&str) -> Option<String>,
    /// Rule, as error messages state it.
    pub rule: &'static str,
}

/// Formats that bodies are checked against. Other keywords of the schema state lengths and forbid blank texts.
pub const FORMATS: [Format; 6] = [
    Format {
        name: "name",
        // The pattern already refuses a blank text.
        is_valid: |text| as_name(text).is_some() || as_line(text).is_some_and(|line| line.is_empty()),
        form: as_name,
        rule: Name::<1>::RULE,
    },
    Format { name: "line", is_valid: |text| as_line(text).is_some(), form: as_line, rule: Line::<0, 1>::RULE },
    Format { name: "text", is_valid: |text| as_prose(text).is_some(), form: as_prose, rule: Prose::<0, 1>::RULE },
    Format {
        name: "idn-email",
        is_valid: |text| EmailAddress::parse(text).is_some(),
        form: |text| EmailAddress::parse(text).map(EmailAddress::into_inner),
        rule: EmailAddress::RULE,
    },
    Format {
        name: "phone",
        is_valid: |text| PhoneNumber::parse(text).is_some(),
        form: |text| PhoneNumber::parse(text).map(PhoneNumber::into_inner),
        rule: PhoneNumber::RULE,
    },
    Format { name: "date-time", is_valid: |text| Moment::parse(text).is_some(), form: |_| None, rule: Moment::RULE },
];
