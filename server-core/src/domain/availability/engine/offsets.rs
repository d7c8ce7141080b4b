//! How far local clocks are from UTC, and from when to when.

use chrono::{DateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::spans::{Span, merged};

/// How far apart a zone is asked. Zones change a few times a year; two changes within this that undo
/// each other would go unseen.
const STRIDE: i64 = 6 * 60 * 60;

/// Moments of one offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) start: i64,
    pub(super) end: i64,
    /// What a label is ahead of its moment.
    pub(super) offset: i64,
}

/// A range of moments, in stretches of one offset each.
#[derive(Debug)]
pub(super) struct Offsets(Vec<Stretch>);

/// What a label is ahead of this moment in the zone.
pub(super) fn offset_at(zone: Tz, moment: i64) -> i64 {
    let offset = |moment: DateTime<Utc>| zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc();
    DateTime::from_timestamp(moment, 0).map_or(0, |moment| i64::from(offset(moment)))
}

impl Offsets {
    /// The offsets of the zone from `from` to before `to`.
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

    /// The stretches and the place of each, earliest first.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (usize, &Stretch)> {
        self.0.iter().enumerate()
    }

    /// The moments that have these labels, in order.
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

    /// Whether clocks have shown the label before the stretch in this place.
    pub(super) fn has_been(&self, label: i64, place: usize) -> bool {
        self.0[..place]
            .iter()
            .any(|earlier| (earlier.start + earlier.offset..earlier.end + earlier.offset).contains(&label))
    }

    /// What clocks show at the moment; beyond the range, as at its nearer end.
    pub(super) fn label(&self, moment: i64) -> i64 {
        let place = self.0.partition_point(|stretch| stretch.end <= moment).min(self.0.len() - 1);
        moment + self.0[place].offset
    }
}
