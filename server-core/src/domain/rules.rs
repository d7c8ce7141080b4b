//! Rules on values that a schema can't express; their faults have the form of schema faults.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use server_shared::{
    error::{Fault, FaultKind, FieldFault},
    http::schema::escape,
    value::CountryCode,
};

/// Largest distance of a planned time from now. A larger one is regarded as a typing error.
const FURTHEST: TimeDelta = TimeDelta::days(366 * 10);

/// Faults of a body that a schema can't express, collected to be reported at once.
#[derive(Debug, Default)]
pub(crate) struct FieldFaults(Vec<FieldFault>);

impl FieldFaults {
    /// Adds the fault of the value at `pointer`.
    pub(crate) fn add(
        &mut self,
        pointer: impl Into<String>,
        rule: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) {
        self.push(FieldFault::new(pointer, rule, message));
    }

    /// Adds a fault.
    pub(crate) fn push(&mut self, fault: FieldFault) {
        self.0.push(fault);
    }

    /// Returns the faults in the order in which they were found.
    pub(crate) fn list(&self) -> &[FieldFault] {
        &self.0
    }

    /// Returns `Ok` if there is no fault.
    pub(crate) fn check(self) -> Result<(), InvalidValue> {
        InvalidValue::check(self.0)
    }
}

/// Returns the JSON pointer (RFC 6901) of the value `key` of the object at `at`.
pub(crate) fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", escape(key))
}

/// Invalid values of a body, with one entry per field.
#[derive(Debug, thiserror::Error)]
#[error("Some values are not valid; see details.fields.")]
pub(crate) struct InvalidValue(Vec<FieldFault>);

impl InvalidValue {
    /// Creates the error of one field and one rule.
    pub(crate) fn new(pointer: &str, rule: &'static str, message: &str) -> Self {
        Self(vec![FieldFault::new(pointer, rule, message)])
    }

    /// Returns the faults, to be reported together with others.
    pub(crate) fn into_faults(self) -> Vec<FieldFault> {
        self.0
    }

    /// Returns `Ok` if there is no fault.
    pub(crate) fn check(faults: Vec<FieldFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }
}

impl Fault for InvalidValue {
    fn kind(&self) -> FaultKind {
        FaultKind::Invalid
    }

    fn code(&self) -> Cow<'static, str> {
        "validation_failed".into()
    }

    fn details(&self) -> Option<Value> {
        Some(server_shared::error::fields(&self.0))
    }
}

/// Refusal of a change that was made from an outdated version of its record.
#[derive(Debug, Clone, thiserror::Error)]
#[error("This was changed in the meantime; read it again and repeat the change.")]
pub(crate) struct StaleVersion {
    current: i64,
    /// Keys of the values that differ, where only some of a record's values are written.
    keys: Vec<String>,
}

impl StaleVersion {
    /// Creates the error of a record whose present version is `current`.
    pub(crate) fn now(current: i64) -> Self {
        Self { current, keys: Vec::new() }
    }

    /// Refuses a change that was made from another version than `current`, which the transaction has locked.
    pub(crate) fn check(made_from: i64, current: i64) -> Result<(), Self> {
        if made_from == current { Ok(()) } else { Err(Self::now(current)) }
    }

    /// Refuses a change of some values of a record whose present version is `current`, if `keys` of them have been
    /// changed to other values in the meantime.
    pub(crate) fn check_keys(current: i64, keys: Vec<String>) -> Result<(), Self> {
        if keys.is_empty() { Ok(()) } else { Err(Self { current, keys }) }
    }
}

impl Fault for StaleVersion {
    fn kind(&self) -> FaultKind {
        FaultKind::Conflict
    }

    fn code(&self) -> Cow<'static, str> {
        "stale_version".into()
    }

    fn details(&self) -> Option<Value> {
        let mut details = serde_json::json!({ "version": self.current });
        if !self.keys.is_empty() {
            details["keys"] = self.keys.as_slice().into();
        }
        Some(details)
    }
}

/// A range ends before it begins.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("`from` must not be after `to`.")]
pub(crate) struct InvalidRange;

impl Fault for InvalidRange {
    fn kind(&self) -> FaultKind {
        FaultKind::Malformed
    }

    fn code(&self) -> Cow<'static, str> {
        "invalid_range".into()
    }

    fn details(&self) -> Option<Value> {
        Some(server_shared::error::fields(&[FieldFault::new("from", "range", "must not be after `to`")]))
    }
}

/// Refuses the range of the parameters `from` and `to` if it ends before it begins. An end that is left out is open.
pub(crate) fn check_range(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<(), InvalidRange> {
    if from.zip(to).is_some_and(|(from, to)| to < from) { Err(InvalidRange) } else { Ok(()) }
}

/// Returns the fault of a planned time that is more than ten years away from now; `None` if it is nearer.
pub(crate) fn too_far(pointer: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Option<FieldFault> {
    let is_far = (at - now).abs() > FURTHEST;
    is_far.then(|| FieldFault::new(pointer, "range", "must be within ten years of now"))
}

/// Checks that a time zone is one of the IANA database.
pub(crate) fn check_timezone(pointer: &str, name: &str) -> Result<(), InvalidValue> {
    match name.parse::<Tz>() {
        Ok(_) => Ok(()),
        Err(_) => {
            Err(InvalidValue::new(pointer, "timezone", "must be a time zone of the IANA database, e.g. Europe/Berlin"))
        }
    }
}

/// Checks that a country, if there is one, has a numbering plan for telephones.
pub(crate) fn check_country(pointer: &str, letters: Option<&str>) -> Result<(), InvalidValue> {
    if letters.is_none_or(|letters| CountryCode::parse(letters).is_some()) {
        return Ok(());
    }
    Err(InvalidValue::new(pointer, "country", "must be a country by its two letters of ISO 3166-1, e.g. DE"))
}

/// Returns today's date in `zone`, mostly the organization's: days are its own, not UTC's.
pub(crate) fn today(zone: Tz) -> NaiveDate {
    Utc::now().with_timezone(&zone).naive_local().date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_does_not_end_before_it_begins() {
        let (early, late) = (DateTime::<Utc>::UNIX_EPOCH, DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(1));
        for (from, to) in
            [(Some(early), Some(late)), (Some(late), None), (None, Some(early)), (Some(early), Some(early))]
        {
            assert!(check_range(from, to).is_ok(), "{from:?} {to:?}");
        }
        assert!(check_range(Some(late), Some(early)).is_err());
    }

    #[test]
    fn zones_are_those_of_the_iana_database() {
        assert!(check_timezone("/timezone", "Australia/Lord_Howe").is_ok());
        assert!(check_timezone("/timezone", "Mars/Olympus").is_err());
    }

    #[test]
    fn countries_have_numbering_plans() {
        for known in [None, Some("DE"), Some("RO")] {
            assert!(check_country("/country", known).is_ok());
        }
        assert!(check_country("/country", Some("XX")).is_err());
    }
}
