//! Offsets of a zone from UTC within a range.

use chrono::{DateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::spans::{Span, merged};

/// Interval in seconds at which the offset of a zone is read. Zones change a few times a year; two changes within one
/// interval that cancel out are missed.
const STRIDE: i64 = 6 * 60 * 60;

/// Period with one offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Label less moment, in seconds.
    pub(super) offset: i64,
}

/// Range of moments, divided into periods with one offset each.
#[derive(Debug)]
pub(super) struct Offsets(Vec<Stretch>);

/// Returns the offset of the zone at a moment, in seconds.
pub(super) fn offset_at(zone: Tz, moment: i64) -> i64 {
    let offset = |moment: DateTime<Utc>| zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc();
    DateTime::from_timestamp(moment, 0).map_or(0, |moment| i64::from(offset(moment)))
}

impl Offsets {
    /// Finds the offsets of the zone from `from` to before `to`.
    pub(super) fn between(zone: Tz, from: i64, to: i64) -> Self {
        let mut stretches = Vec::with_capacity(2);
        let (mut start, mut at, mut offset) = (from, from, offset_at(zone, from));
        while at < to {
            let next = (at + STRIDE).min(to);
            if offset_at(zone, next) == offset {
                at = next;
                continue;
            }
            let (mut same, mut other) = (at, next);
            while other - same > 1 {
                let middle = same + (other - same) / 2;
                if offset_at(zone, middle) == offset { same = middle } else { other = middle }
            }
            stretches.push(Stretch { start, end: other, offset });
            (start, at, offset) = (other, other, offset_at(zone, other));
        }
        stretches.push(Stretch { start, end: to, offset });
        Self(stretches)
    }

    /// Returns the periods with their indexes, earliest first.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (usize, &Stretch)> {
        self.0.iter().enumerate()
    }

    /// Returns the moments that have these labels, ascending.
    pub(super) fn moments(&self, labels: &[Span]) -> Vec<Span> {
        let mut moments = Vec::with_capacity(labels.len());
        for stretch in &self.0 {
            let first = labels.partition_point(|span| span.end <= stretch.start + stretch.offset);
            let within = labels[first..].iter().take_while(|span| span.start < stretch.end + stretch.offset);
            moments.extend(within.map(|span| Span {
                start: (span.start - stretch.offset).max(stretch.start),
                end: (span.end - stretch.offset).min(stretch.end),
            }));
        }
        merged(moments)
    }

    /// Returns `true` if the label occurs before the period with this index.
    pub(super) fn has_been(&self, label: i64, place: usize) -> bool {
        self.0[..place]
            .iter()
            .any(|earlier| (earlier.start + earlier.offset..earlier.end + earlier.offset).contains(&label))
    }

    /// Returns the label of a moment. Beyond the range the offset of its nearer end applies.
    pub(super) fn label(&self, moment: i64) -> i64 {
        let place = self.0.partition_point(|stretch| stretch.end <= moment).min(self.0.len() - 1);
        moment + self.0[place].offset
    }
}
