//! Rules of values that depend on the organization's time zone or country.

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use server_shared::{
    error::FieldFault,
    value::{CountryCode, PhoneNumber},
};

use super::model::CreatePatient;
use crate::domain::rules::{InvalidValue, today};

const EARLIEST_BIRTH: i32 = 1850;

/// Time zone and country of an organization.
#[derive(Debug, Clone, Copy)]
pub(super) struct Locale {
    pub(super) zone: Tz,
    pub(super) country: Option<CountryCode>,
}

impl Locale {
    /// Placeholder, sufficient for a record for which [`Locale::matters`] returns `false`.
    pub(super) const ANY: Self = Self { zone: Tz::UTC, country: None };

    /// Returns `true` if a value of the record depends on the organization's time zone or country.
    pub(super) fn matters(record: &CreatePatient) -> bool {
        is_recent(record.date_of_birth, today(Tz::UTC)) || record.phone.as_ref().is_some_and(PhoneNumber::is_national)
    }

    /// Checks date of birth and telephone number, and returns the normalized number for the blind index. A number that
    /// equals the stored one is never refused, because numbering plans change.
    pub(super) fn check(self, record: &CreatePatient, stored: Option<&str>) -> Result<Option<String>, InvalidValue> {
        let (phone, faults) = self.faults(record, stored, "");
        InvalidValue::check(faults)?;
        Ok(phone)
    }

    /// Returns the normalized number and the faults, with pointers below `at`, as [`Locale::check`] finds them. The
    /// number is of use only without a fault: one that can't be normalized is empty.
    pub(super) fn faults(
        self,
        record: &CreatePatient,
        stored: Option<&str>,
        at: &str,
    ) -> (Option<String>, Vec<FieldFault>) {
        let mut faults = Vec::new();
        if !record.date_of_birth.is_none_or(|date| is_plausible(date, today(self.zone))) {
            let pointer = format!("{at}/date_of_birth");
            faults.push(FieldFault::new(pointer, "range", "must be between 1850 and today"));
        }
        let phone = record.phone.as_ref().map(|phone| match phone.e164(self.country) {
            Err(fault) if stored != Some(phone.as_str()) => {
                faults.push(FieldFault::new(format!("{at}/phone"), "phone", fault.to_string()));
                String::new()
            }
            key => key.unwrap_or_else(|_| PhoneNumber::key_of(phone.as_str(), self.country)),
        });
        (phone, faults)
    }
}

/// Returns `true` for a date that is not yet past in every time zone: today and tomorrow in UTC.
fn is_recent(date: Option<NaiveDate>, utc_today: NaiveDate) -> bool {
    date.is_some_and(|date| date >= utc_today && Some(date) <= utc_today.checked_add_days(Days::new(1)))
}

fn is_plausible(date: NaiveDate, today: NaiveDate) -> bool {
    date <= today && date.year() >= EARLIEST_BIRTH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_is_born_tomorrow() {
        let today = day("2026-05-01");
        for (date, plausible) in
            [("2026-05-01", true), ("2026-05-02", false), ("1850-01-01", true), ("1849-12-31", false)]
        {
            assert_eq!(is_plausible(day(date), today), plausible, "{date}");
        }
    }

    #[test]
    fn the_zone_is_read_for_dates_that_it_decides_alone() {
        let today = day("2026-05-01");
        for (date, recent) in [("2026-04-30", false), ("2026-05-01", true), ("2026-05-02", true), ("2026-05-03", false)]
        {
            assert_eq!(is_recent(Some(day(date)), today), recent, "{date}");
        }
        assert!(!is_recent(None, today));
    }
}
