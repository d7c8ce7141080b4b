//! Booked times and full days.

use super::{
    Busy, DAY, ceil,
    offsets::Offsets,
    spans::{Span, merged},
};

/// Blocked times, queried in ascending order.
#[derive(Debug)]
pub(super) struct Taken {
    spans: Vec<Span>,
    /// Index of the first span that does not end before the last query.
    next: usize,
}

impl Taken {
    pub(super) fn of(busy: &[Busy]) -> Self {
        let span = |busy: &Busy| {
            // An empty block blocks nothing.
            let (start, end) = (busy.block.start, busy.block.end);
            if start < end { Span { start: start.timestamp(), end: ceil(end) } } else { Span { start: 0, end: 0 } }
        };
        Self { spans: merged(busy.iter().map(span).collect()), next: 0 }
    }

    /// Returns `true` if any second from `start` to before `end` is blocked. `start` must not decrease from call to
    /// call.
    pub(super) fn overlaps(&mut self, start: i64, end: i64) -> bool {
        while self.spans.get(self.next).is_some_and(|span| span.end <= start) {
            self.next += 1;
        }
        self.spans.get(self.next).is_some_and(|span| span.start < end)
    }
}

/// Local days on which the daily cap is reached.
#[derive(Debug)]
pub(super) struct FullDays {
    /// Day on which each booking begins, ascending.
    days: Vec<i64>,
    cap: usize,
}

impl FullDays {
    pub(super) fn of(busy: &[Busy], cap: Option<u32>, offsets: &Offsets) -> Self {
        let Some(cap) = cap.and_then(|cap| usize::try_from(cap).ok()) else {
            return Self { days: Vec::new(), cap: usize::MAX };
        };
        let mut days: Vec<i64> =
            busy.iter().map(|busy| offsets.label(busy.booked_at.timestamp()).div_euclid(DAY)).collect();
        days.sort_unstable();
        Self { days, cap: cap.max(1) }
    }

    pub(super) fn contains(&self, day: i64) -> bool {
        let first = self.days.partition_point(|booked| *booked < day);
        self.days.get(first.saturating_add(self.cap - 1)) == Some(&day)
    }
}
