//! Periods that callers ask for.

use chrono::{DateTime, Utc};
use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use super::storable;

errors! {
    /// Errors of periods.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum PeriodError {
        /// The period ends before it begins, or as it begins.
        Reversed => Malformed "invalid_range" "`from` must be before `to`."
            with fields(&[FieldFault::new("from", "range", "must be before `to`")]),
    }
}

/// Period from one time up to another, which is not part of it. Either end may be left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Period {
    /// Refuses a period that ends before or when it begins. Compares the times as they were sent: times that no
    /// database can hold are equal once they are [`storable`].
    pub(crate) fn new(from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<Self, PeriodError> {
        match (from, to) {
            (Some(from), Some(to)) if from >= to => Err(PeriodError::Reversed),
            _ => Ok(Self { from, to }),
        }
    }

    /// Start of the period as it was sent.
    pub(crate) fn sent_from(self) -> Option<DateTime<Utc>> {
        self.from
    }

    /// End of the period as it was sent.
    pub(crate) fn sent_to(self) -> Option<DateTime<Utc>> {
        self.to
    }

    /// Start of the period, which both databases can compare with.
    pub(crate) fn from(self) -> Option<DateTime<Utc>> {
        self.from.map(storable)
    }

    /// End of the period, which both databases can compare with.
    pub(crate) fn to(self) -> Option<DateTime<Utc>> {
        self.to.map(storable)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_period_begins_before_it_ends() {
        let now = Utc::now();
        let nanosecond = TimeDelta::nanoseconds(1);
        assert!(Period::new(Some(now), Some(now + nanosecond)).is_ok());
        assert_eq!(Period::new(Some(now), Some(now)), Err(PeriodError::Reversed));
        assert_eq!(Period::new(Some(now + nanosecond), Some(now)), Err(PeriodError::Reversed));
        for (from, to) in [(None, None), (Some(now), None), (None, Some(now))] {
            assert!(Period::new(from, to).is_ok(), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn times_that_no_database_holds_are_compared_as_they_were_sent() {
        let day = TimeDelta::days(1);
        for (from, to) in [
            (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MIN_UTC + day),
            (DateTime::<Utc>::MAX_UTC - day, DateTime::<Utc>::MAX_UTC),
        ] {
            let period = Period::new(Some(from), Some(to)).unwrap();
            assert_eq!(period.from(), period.to());
            assert!(Period::new(Some(to), Some(from)).is_err(), "{from} to {to}");
        }
    }
}
