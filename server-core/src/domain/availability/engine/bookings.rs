//! What is booked.

use super::{
    Busy, DAY, ceil,
    offsets::Offsets,
    spans::{Span, merged},
};

/// Time that is kept from others, to be asked in order.
#[derive(Debug)]
pub(super) struct Taken {
    spans: Vec<Span>,
    /// The first one that does not end before what was asked last.
    next: usize,
}

impl Taken {
    pub(super) fn of(busy: &[Busy]) -> Self {
        let span = |busy: &Busy| {
            // What is no longer than nothing keeps nobody out, on whichever second it is.
            let (start, end) = (busy.block.start, busy.block.end);
            if start < end { Span { start: start.timestamp(), end: ceil(end) } } else { Span { start: 0, end: 0 } }
        };
        Self { spans: merged(busy.iter().map(span).collect()), next: 0 }
    }

    /// Whether any of the seconds from `start` to before `end` is taken. `start` never goes back.
    pub(super) fn overlaps(&mut self, start: i64, end: i64) -> bool {
        while self.spans.get(self.next).is_some_and(|span| span.end <= start) {
            self.next += 1;
        }
        self.spans.get(self.next).is_some_and(|span| span.start < end)
    }
}

/// The local days on which no more can begin.
#[derive(Debug)]
pub(super) struct FullDays {
    /// The day on which each booking begins, in order.
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
