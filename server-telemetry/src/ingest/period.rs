//! Periods that callers ask for.

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::{
    error::{FieldFault, fields},
    errors,
    value::Moment,
};

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
    /// Refuses a period that ends before or when it begins.
    pub(crate) fn new(from: Option<Moment>, to: Option<Moment>) -> Result<Self, PeriodError> {
        if let (Some(from), Some(to)) = (from, to) {
            ordered(from.get(), to.get())?;
        }
        Ok(Self { from: from.map(Moment::get), to: to.map(Moment::get) })
    }

    /// Start of the period.
    pub(crate) fn from(self) -> Option<DateTime<Utc>> {
        self.from
    }

    /// End of the period.
    pub(crate) fn to(self) -> Option<DateTime<Utc>> {
        self.to
    }

    /// Returns both ends of the period: `to` in place of an end that is left open, and the time `length` before the
    /// end in place of a start that is left open.
    pub(crate) fn closed(
        self,
        to: DateTime<Utc>,
        length: TimeDelta,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), PeriodError> {
        let to = self.to.unwrap_or(to);
        ordered(self.from.unwrap_or(to - length), to)
    }
}

/// Returns the two times if the first is before the second.
fn ordered(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), PeriodError> {
    if from < to { Ok((from, to)) } else { Err(PeriodError::Reversed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_before_it_ends() {
        let (now, later) = (Moment::parse("2026-12-31T23:59:59.999999Z"), Moment::parse("2026-12-31T23:59:60Z"));
        assert!(now.is_some() && later.is_some());
        assert!(Period::new(now, later).is_ok());
        assert_eq!(Period::new(now, now), Err(PeriodError::Reversed));
        assert_eq!(Period::new(later, now), Err(PeriodError::Reversed));
        for (from, to) in [(None, None), (now, None), (None, now)] {
            assert!(Period::new(from, to).is_ok(), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn open_ends_are_closed() {
        let (now, day) = (Utc::now(), TimeDelta::days(1));
        let first = Moment::nearest(DateTime::<Utc>::MIN_UTC);
        let closed = |from, to| Period::new(from, to).and_then(|period| period.closed(now, day));
        assert_eq!(closed(None, None), Ok((now - day, now)));
        assert_eq!(closed(None, Some(first)), Ok((first.get() - day, first.get())));
        assert_eq!(closed(Some(first), None), Ok((first.get(), now)));
        assert_eq!(closed(Some(Moment::nearest(now + day)), None), Err(PeriodError::Reversed));
    }
}
