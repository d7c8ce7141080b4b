//! Moments with the precision and range of PostgreSQL.

use std::{fmt, ops::Deref};

use chrono::{DateTime, Datelike as _, SubsecRound as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use poem_openapi::registry::MetaSchema;

use super::poem_type;

/// First year that a moment may be in, in UTC.
const FIRST_YEAR: i32 = 1900;
/// Last year that a moment may be in, in UTC.
const LAST_YEAR: i32 = 9999;
/// Years that a text may name. The last hours of 1899 are in 1900 if the offset is west of Greenwich.
const PATTERN: &str = "^(1899|19[0-9]{2}|[2-9][0-9]{3})-";

/// Moment that a caller sent: in UTC, with microseconds, from 1900 to 9999.
///
/// Finer fractions are cut off before any check, because PostgreSQL would round them later. A leap second becomes the
/// next second, as in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(DateTime<Utc>);

impl Moment {
    pub(super) const RULE: &'static str = "must be a moment of RFC 3339 between the years 1900 and 9999";

    /// Parses RFC 3339; returns `None` for any other text or a year out of bounds.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
    }

    /// Normalizes a moment; returns `None` if its year is out of bounds.
    pub fn of(moment: DateTime<Utc>) -> Option<Self> {
        const SECOND: u32 = 1_000_000_000;
        let moment = match moment.nanosecond().checked_sub(SECOND) {
            // chrono represents a leap second by up to two billion nanoseconds.
            Some(nanoseconds) => moment
                .with_nanosecond(nanoseconds)
                .and_then(|second| second.checked_add_signed(TimeDelta::seconds(1)))?,
            None => moment,
        };
        let moment = moment.trunc_subsecs(6);
        (FIRST_YEAR..=LAST_YEAR).contains(&moment.year()).then_some(Self(moment))
    }

    /// Returns the moment.
    pub fn get(self) -> DateTime<Utc> {
        self.0
    }

    /// Normalizes a moment; one that is out of bounds becomes the nearest bound.
    pub fn nearest(moment: DateTime<Utc>) -> Self {
        let at = |year, month, day| Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).single().unwrap_or(moment);
        Self::of(moment).unwrap_or_else(|| {
            Self(if moment.year() < FIRST_YEAR { at(FIRST_YEAR, 1, 1) } else { at(LAST_YEAR, 12, 31) })
        })
    }
}

impl Deref for Moment {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &DateTime<Utc> {
        &self.0
    }
}

impl From<Moment> for DateTime<Utc> {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

poem_type!(
    [] Moment,
    "string_date-time",
    MetaSchema { pattern: Some(PATTERN.to_owned()), ..MetaSchema::new_with_format("string", "date-time") },
    |moment: &Self| serde_json::Value::String(moment.0.to_rfc3339())
);
