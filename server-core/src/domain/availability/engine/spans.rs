//! Spans of seconds, and the open labels of a schedule.

use chrono::Timelike as _;

use super::{DAY, ExceptionKind, Schedule};

/// Span from `start` to before `end`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// Sorts the spans and merges those that touch or overlap.
pub(super) fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.start < span.end);
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    spans
}

/// Returns the open labels from `from` to `to`, and possibly some outside of that range.
pub(super) fn open_labels(schedule: &Schedule, from: i64, to: i64) -> Vec<Span> {
    let (first, last) = (from.div_euclid(DAY) - 1, to.div_euclid(DAY));
    let mut open = Vec::new();
    for day in first..=last {
        // 1 January 1970 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        for hours in &schedule.hours {
            if i64::from(hours.weekday.num_days_from_monday()) == weekday {
                let start = i64::from(hours.starts_at.num_seconds_from_midnight());
                let end = i64::from(hours.ends_at.num_seconds_from_midnight());
                let end = if end <= start { end + DAY } else { end };
                open.push(Span { start: day * DAY + start, end: day * DAY + end });
            }
        }
    }
    open.extend(exceptions(schedule, ExceptionKind::Available, from, to));
    without(&merged(open), &merged(exceptions(schedule, ExceptionKind::Unavailable, from, to).collect()))
}

/// Returns the labels of exceptions of a kind, limited to `from` to `to`.
pub(super) fn exceptions(schedule: &Schedule, kind: ExceptionKind, from: i64, to: i64) -> impl Iterator<Item = Span> {
    schedule.exceptions.iter().filter(move |exception| exception.kind == kind).map(move |exception| Span {
        start: exception.starts_at.and_utc().timestamp().max(from),
        end: exception.ends_at.and_utc().timestamp().min(to),
    })
}

/// Removes `holes` from `spans`; both must be merged.
fn without(spans: &[Span], holes: &[Span]) -> Vec<Span> {
    let mut left = Vec::with_capacity(spans.len() + holes.len());
    let mut holes = holes.iter().copied().peekable();
    for span in spans {
        let mut start = span.start;
        while holes.next_if(|hole| hole.end <= start).is_some() {}
        while let Some(hole) = holes.peek().copied().filter(|hole| hole.start < span.end) {
            left.push(Span { start, end: hole.start });
            start = hole.end;
            // A hole that extends into the next span is needed there, too.
            if hole.end > span.end {
                break;
            }
            holes.next();
        }
        left.push(Span { start, end: span.end });
    }
    left.retain(|span| span.start < span.end);
    left
}
