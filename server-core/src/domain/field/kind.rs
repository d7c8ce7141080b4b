use poem_openapi::Enum;

/// Type of the values of a field.
///
/// - `text`: one line of at most 500 characters
/// - `long_text`: text of any number of lines, of at most 10,000 characters
/// - `integer`: whole number between −(2⁵³ − 1) and 2⁵³ − 1
/// - `decimal`: exact decimal number with at most 18 digits before the point and 10 after it
/// - `boolean`: `true` or `false`
/// - `date`: day, as YYYY-MM-DD
/// - `time`: local time of day, as HH:MM:SS
/// - `datetime`: moment, in RFC 3339
/// - `single_choice`: key of one of the field's options
/// - `multiple_choice`: keys of several of the field's options
/// - `scale`: whole number on a scale, from 0 to 10 unless its validation states others
/// - `email`: e-mail address
/// - `phone`: telephone number, in E.164
/// - `file`: file; its values can't be stored yet
/// - `signature`: drawn signature; its values can't be stored yet
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum FieldType {
    /// One line of text.
    Text,
    /// Lines of text.
    LongText,
    /// Whole number.
    Integer,
    /// Exact decimal number.
    Decimal,
    /// Truth value.
    Boolean,
    /// Day.
    Date,
    /// Local time of day.
    Time,
    /// Moment.
    Datetime,
    /// One option.
    SingleChoice,
    /// Several options.
    MultipleChoice,
    /// Whole number on a scale.
    Scale,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// File.
    File,
    /// Drawn signature.
    Signature,
}

impl FieldType {
    /// Returns `true` if values are chosen from options.
    pub(crate) fn is_choice(self) -> bool {
        matches!(self, Self::SingleChoice | Self::MultipleChoice)
    }

    /// Returns `true` if values are numbers, which may have a unit.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Scale)
    }

    /// Returns the largest number of characters of a free text; `None` for other types.
    pub(super) fn longest(self) -> Option<i32> {
        match self {
            Self::Text => Some(500),
            Self::LongText => Some(10_000),
            _ => None,
        }
    }
}
