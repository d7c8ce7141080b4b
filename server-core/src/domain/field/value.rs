use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use server_shared::{
    error::FieldFault,
    http::document::LARGEST_INTEGER,
    value::{DecimalNumber, EmailAddress, Line, Moment, PhoneNumber, Prose},
};

use super::{FieldDefinition, FieldType, FieldValidation};

/// Years that a day may be in.
pub(crate) const YEARS: std::ops::RangeInclusive<i32> = 1850..=9999;
/// More characters than a body holds: the field's own bound applies after the text is in its form.
const ANY: usize = 4 * 1024 * 1024;
const DATE: &str = "%Y-%m-%d";
const TIME: &str = "%H:%M:%S";

/// Value of a field, in its form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum FieldValue {
    /// Text, e-mail address or telephone number.
    Text(String),
    /// Whole number or position on a scale.
    Integer(i64),
    /// Exact decimal number.
    Decimal(Decimal),
    /// Truth value.
    Boolean(bool),
    /// Day.
    Date(NaiveDate),
    /// Local time of day.
    Time(NaiveTime),
    /// Moment.
    Datetime(DateTime<Utc>),
    /// Key of an option.
    Choice(String),
    /// Keys of options, in the order of the options.
    Choices(Vec<String>),
}

/// Hides the value, which may be protected health information.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldValue(…)")
    }
}

impl FieldValue {
    /// Writes the value in the one form that is stored, answered and hashed.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Choice(text) => text.clone().into(),
            Self::Integer(number) => (*number).into(),
            Self::Decimal(number) => number.normalize().to_string().into(),
            Self::Boolean(truth) => (*truth).into(),
            Self::Date(day) => day.format(DATE).to_string().into(),
            Self::Time(time) => time.format(TIME).to_string().into(),
            Self::Datetime(moment) => moment.to_rfc3339().into(),
            Self::Choices(keys) => keys.clone().into(),
        }
    }

    /// Returns the column that has the value in tables of values that are not sealed. Values of one column are compared
    /// with each other.
    pub(crate) fn column(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Choice(_) => "text_value",
            Self::Integer(_) | Self::Decimal(_) => "number_value",
            Self::Boolean(_) => "boolean_value",
            Self::Date(_) => "date_value",
            Self::Time(_) => "time_value",
            Self::Datetime(_) => "datetime_value",
            Self::Choices(_) => "choices_value",
        }
    }

    /// Reads a stored value of a field of the type `kind`, without checking the bounds of the field: they may have
    /// changed since. Returns `None` if the value is of another type.
    pub(crate) fn read(kind: FieldType, stored: &Value) -> Option<Self> {
        let text = || stored.as_str().map(str::to_owned);
        match kind {
            FieldType::Text | FieldType::LongText | FieldType::Email | FieldType::Phone => text().map(Self::Text),
            FieldType::Integer | FieldType::Scale => stored.as_i64().map(Self::Integer),
            FieldType::Decimal => decimal(stored).map(|number| Self::Decimal(number.get())),
            FieldType::Boolean => stored.as_bool().map(Self::Boolean),
            FieldType::Date => stored.as_str().and_then(day).map(Self::Date),
            FieldType::Time => stored.as_str().and_then(time).map(Self::Time),
            FieldType::Datetime => stored.as_str().and_then(Moment::parse).map(|moment| Self::Datetime(moment.get())),
            FieldType::SingleChoice => text().map(Self::Choice),
            FieldType::MultipleChoice => {
                let keys = stored.as_array()?.iter().map(|key| key.as_str().map(str::to_owned));
                keys.collect::<Option<_>>().map(Self::Choices)
            }
            FieldType::File | FieldType::Signature => None,
        }
    }

    /// Returns `true` if the value holds the option `key`.
    fn holds(&self, key: &str) -> bool {
        match self {
            Self::Choice(chosen) => chosen == key,
            Self::Choices(chosen) => chosen.iter().any(|chosen| chosen == key),
            _ => false,
        }
    }
}

impl FieldDefinition {
    /// Checks a value of a body and brings it into its form; the fault is of `at`. A retired option is only accepted if
    /// `stored`, the present value, holds it.
    pub(crate) fn parse(&self, value: &Value, at: &str, stored: Option<&FieldValue>) -> Result<FieldValue, FieldFault> {
        let none = FieldValidation::default();
        let reading = Reading { field: self, bounds: self.validation.as_ref().unwrap_or(&none), at };
        match self.field_type {
            FieldType::Text | FieldType::LongText => reading.text(value).map(FieldValue::Text),
            FieldType::Integer => reading.integer(value).map(FieldValue::Integer),
            FieldType::Decimal => reading.decimal(value).map(FieldValue::Decimal),
            FieldType::Boolean => value.as_bool().map(FieldValue::Boolean).ok_or_else(|| reading.wrong_type("boolean")),
            FieldType::Date => reading.day(value).map(FieldValue::Date),
            FieldType::Time => {
                let text = reading.string(value)?;
                let message = "must be a time of day between 00:00 and 23:59:59, e.g. 14:30";
                time(text).map(FieldValue::Time).ok_or_else(|| reading.fault("format", message))
            }
            FieldType::Datetime => reading.moment(value).map(FieldValue::Datetime),
            FieldType::SingleChoice => reading.choice(value, stored).map(FieldValue::Choice),
            FieldType::MultipleChoice => reading.choices(value, stored).map(FieldValue::Choices),
            FieldType::Scale => reading.position(value).map(FieldValue::Integer),
            FieldType::Email => {
                let address = EmailAddress::parse(reading.string(value)?);
                let message = "must be an e-mail address with a valid host name";
                address
                    .map(|address| FieldValue::Text(address.into_inner()))
                    .ok_or_else(|| reading.fault("format", message))
            }
            FieldType::Phone => reading.phone(value).map(FieldValue::Text),
            FieldType::File | FieldType::Signature => {
                Err(reading.fault("not_supported", "files and drawn signatures can't be stored yet"))
            }
        }
    }
}

/// A value that is being read, at `at`.
struct Reading<'a> {
    field: &'a FieldDefinition,
    bounds: &'a FieldValidation,
    at: &'a str,
}

impl Reading<'_> {
    fn fault(&self, rule: &'static str, message: impl Into<String>) -> FieldFault {
        FieldFault::new(self.at, rule, message)
    }

    fn wrong_type(&self, kind: &str) -> FieldFault {
        self.fault("type", format!("must be of type {kind}"))
    }

    fn string<'v>(&self, value: &'v Value) -> Result<&'v str, FieldFault> {
        value.as_str().ok_or_else(|| self.wrong_type("string"))
    }

    fn text(&self, value: &Value) -> Result<String, FieldFault> {
        let text = self.string(value)?;
        let kind = self.field.field_type;
        let form = match kind {
            FieldType::Text => Line::<0, ANY>::parse(text).map(Line::into_inner),
            _ => Prose::<0, ANY>::parse(text).map(Prose::into_inner),
        };
        let message = "must have a visible character and no control characters; only a long text has several lines";
        let text = form.ok_or_else(|| self.fault("format", message))?;
        let length = text.chars().count();
        let characters = |bound: i32| usize::try_from(bound).unwrap_or_default();
        let least = self.bounds.min_length.map_or(1, characters);
        if length < least {
            let message = format!("must have at least {least} characters; null removes the value");
            return Err(self.fault("min_length", message));
        }
        let most = self.bounds.max_length.or(kind.longest()).map_or(ANY, characters);
        if length > most {
            return Err(self.fault("max_length", format!("must have at most {most} characters")));
        }
        Ok(text)
    }

    fn integer(&self, value: &Value) -> Result<i64, FieldFault> {
        let number = value.as_i64().ok_or_else(|| self.wrong_type("integer"))?;
        if !(-LARGEST_INTEGER..=LARGEST_INTEGER).contains(&number) {
            return Err(self.fault("range", "must be between −(2^53 − 1) and 2^53 − 1"));
        }
        self.check_bounds(number.into())?;
        Ok(number)
    }

    fn decimal(&self, value: &Value) -> Result<Decimal, FieldFault> {
        if !(value.is_string() || value.is_number()) {
            return Err(self.wrong_type("string or number"));
        }
        let message = "must be a decimal number with at most 18 digits before the point and 10 after it; \
                       send it as a string if it has more than 15 digits";
        let number = decimal(value).ok_or_else(|| self.fault("format", message))?.get();
        self.check_bounds(number)?;
        Ok(number)
    }

    fn check_bounds(&self, number: Decimal) -> Result<(), FieldFault> {
        if let Some(least) = self.bounds.minimum.filter(|least| number < least.get()) {
            return Err(self.fault("minimum", format!("must be at least {least}")));
        }
        if let Some(most) = self.bounds.maximum.filter(|most| number > most.get()) {
            return Err(self.fault("maximum", format!("must be at most {most}")));
        }
        Ok(())
    }

    fn position(&self, value: &Value) -> Result<i64, FieldFault> {
        let number = value.as_i64().ok_or_else(|| self.wrong_type("integer"))?;
        let scale = self.bounds.scale();
        if number < scale.first {
            return Err(self.fault("minimum", format!("must be at least {}", scale.first)));
        }
        if number > scale.last {
            return Err(self.fault("maximum", format!("must be at most {}", scale.last)));
        }
        if (number - scale.first) % scale.step != 0 {
            let message = format!("must be {} or a multiple of {} above it", scale.first, scale.step);
            return Err(self.fault("multiple_of", message));
        }
        Ok(number)
    }

    fn day(&self, value: &Value) -> Result<NaiveDate, FieldFault> {
        let message = "must be a day as YYYY-MM-DD, between the years 1850 and 9999";
        let day = day(self.string(value)?).ok_or_else(|| self.fault("format", message))?;
        self.check_day(day)?;
        Ok(day)
    }

    fn moment(&self, value: &Value) -> Result<DateTime<Utc>, FieldFault> {
        let message = "must be a moment of RFC 3339 between the years 1900 and 9999";
        let moment = Moment::parse(self.string(value)?).ok_or_else(|| self.fault("format", message))?.get();
        self.check_day(moment.naive_utc().date())?;
        Ok(moment)
    }

    fn check_day(&self, day: NaiveDate) -> Result<(), FieldFault> {
        if let Some(first) = self.bounds.earliest.filter(|first| day < *first) {
            return Err(self.fault("minimum", format!("must not be before {first}")));
        }
        if let Some(last) = self.bounds.latest.filter(|last| day > *last) {
            return Err(self.fault("maximum", format!("must not be after {last}")));
        }
        Ok(())
    }

    fn choice(&self, value: &Value, stored: Option<&FieldValue>) -> Result<String, FieldFault> {
        let key = self.string(value)?;
        self.check_option(key, stored)?;
        Ok(key.to_owned())
    }

    fn choices(&self, value: &Value, stored: Option<&FieldValue>) -> Result<Vec<String>, FieldFault> {
        let items = value.as_array().ok_or_else(|| self.wrong_type("array"))?;
        let mut chosen = BTreeSet::new();
        for item in items {
            let key = item.as_str().ok_or_else(|| self.fault("type", "must be a list of keys of options"))?;
            self.check_option(key, stored)?;
            if !chosen.insert(key) {
                return Err(self.fault("unique_items", "must not repeat an option"));
            }
        }
        let count = |bound: i32| usize::try_from(bound).unwrap_or_default();
        let least = self.bounds.min_selected.map_or(1, count);
        if chosen.len() < least {
            let message = format!("must select at least {least} options; null removes the value");
            return Err(self.fault("min_items", message));
        }
        if let Some(most) = self.bounds.max_selected.map(count).filter(|most| chosen.len() > *most) {
            return Err(self.fault("max_items", format!("must select at most {most} options")));
        }
        let options = self.field.options.iter().map(|option| option.key.as_str());
        Ok(options.filter(|key| chosen.contains(key)).map(str::to_owned).collect())
    }

    fn check_option(&self, key: &str, stored: Option<&FieldValue>) -> Result<(), FieldFault> {
        match self.field.option(key) {
            None => Err(self.fault("option", "must be the key of an option of the field")),
            Some(option) if option.retired && !stored.is_some_and(|stored| stored.holds(key)) => {
                Err(self.fault("retired", "names an option that can no longer be chosen"))
            }
            Some(_) => Ok(()),
        }
    }

    fn phone(&self, value: &Value) -> Result<String, FieldFault> {
        let message = "must be a telephone number that begins with + and the code of its country";
        let number = PhoneNumber::parse(self.string(value)?).filter(|number| !number.is_national());
        number.and_then(|number| number.e164(None).ok()).ok_or_else(|| self.fault("format", message))
    }
}

fn decimal(value: &Value) -> Option<DecimalNumber> {
    match value {
        Value::String(text) => DecimalNumber::parse(text),
        Value::Number(number) => DecimalNumber::of_json(number),
        _ => None,
    }
}

/// Parses a day of ten characters; chrono alone accepts signs and years of other lengths.
pub(crate) fn calendar_day(text: &str) -> Option<NaiveDate> {
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_plain.then(|| NaiveDate::parse_from_str(text, DATE).ok()).flatten()
}

fn day(text: &str) -> Option<NaiveDate> {
    calendar_day(text).filter(|day| YEARS.contains(&day.year()))
}

/// Parses a time of day, with or without seconds; a leap second is none.
pub(super) fn time(text: &str) -> Option<NaiveTime> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let format = match text.len() {
        5 => "%H:%M",
        8 if !text.ends_with("60") => TIME,
        _ => return None,
    };
    is_plain.then(|| NaiveTime::parse_from_str(text, format).ok()).flatten()
}
