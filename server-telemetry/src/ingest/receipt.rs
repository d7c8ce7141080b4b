//! What became of a batch.

use poem_openapi::{Object, types::Example};

/// What became of the events of a batch. Every event is either stored or dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct IngestReceipt {
    /// How many events are stored. An event stored before counts too: sending twice does no harm.
    pub stored: u32,
    /// How many were dropped, by reason; reasons that did not occur are left out.
    pub dropped: Vec<DroppedEvents>,
    /// What is wrong with the events that were dropped as `malformed`; sending them again as they are
    /// is of no use.
    pub faults: Vec<EventFault>,
}

impl Example for IngestReceipt {
    fn example() -> Self {
        Self {
            stored: 2,
            dropped: vec![DroppedEvents { reason: DropReason::Malformed.as_str().to_owned(), count: 1 }],
            faults: vec![EventFault::new(2, "properties", "has a name longer than 64 characters")],
        }
    }
}

/// Events dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct DroppedEvents {
    /// Why: `no_consent` (the person has not agreed to this purpose), `opted_out` (the request asks
    /// not to be tracked: `Sec-GPC: 1` or `DNT: 1`), `excluded` (the person is not to be tracked, or is
    /// being erased), `malformed` (see `faults`), `too_frequent` (more than the capped rate). More
    /// reasons may come.
    pub reason: String,
    /// How many events.
    pub count: u32,
}

/// What is wrong with one event.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct EventFault {
    /// Place of the event in the batch, from 0.
    pub index: u32,
    /// Name of the field at fault.
    pub field: String,
    /// What the field should be; never repeats the value.
    pub message: String,
}

impl EventFault {
    /// A fault of the event at `index`, which is below the largest batch.
    pub(crate) fn new(index: usize, field: &str, message: &str) -> Self {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { index, field: field.to_owned(), message: message.to_owned() }
    }
}

/// Why an event is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// The person has not agreed to this purpose.
    NoConsent,
    /// The request asks not to be tracked.
    OptedOut,
    /// The person is not to be tracked.
    Excluded,
    /// A field holds what it can't.
    Malformed,
    /// More than the capped rate.
    TooFrequent,
}

impl DropReason {
    const ALL: [Self; 5] = [Self::NoConsent, Self::OptedOut, Self::Excluded, Self::Malformed, Self::TooFrequent];

    /// As answers and metrics name it.
    fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::OptedOut => "opted_out",
            Self::Excluded => "excluded",
            Self::Malformed => "malformed",
            Self::TooFrequent => "too_frequent",
        }
    }
}

/// Counts what becomes of a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stored: u32,
    dropped: [u32; DropReason::ALL.len()],
    faults: Vec<EventFault>,
}

impl Tally {
    /// Nothing of a batch of `count` is stored, for one reason.
    pub(crate) fn all_dropped(purpose: &'static str, count: usize, reason: DropReason) -> IngestReceipt {
        let mut tally = Self::default();
        tally.dropped(reason, count);
        tally.receipt(purpose)
    }

    /// `count` events are stored.
    pub(crate) fn stored(&mut self, count: usize) {
        self.stored = self.stored.saturating_add(count.try_into().unwrap_or(u32::MAX));
    }

    /// `count` events are dropped.
    pub(crate) fn dropped(&mut self, reason: DropReason, count: usize) {
        let slot = &mut self.dropped[reason as usize];
        *slot = slot.saturating_add(count.try_into().unwrap_or(u32::MAX));
    }

    /// An event is dropped because of `fault`.
    pub(crate) fn malformed(&mut self, fault: EventFault) {
        self.dropped(DropReason::Malformed, 1);
        self.faults.push(fault);
    }

    /// The answer; also counts it in `telemetry_events_total`.
    pub(crate) fn receipt(self, purpose: &'static str) -> IngestReceipt {
        let counted = DropReason::ALL.into_iter().zip(self.dropped).filter(|(_, count)| *count > 0);
        let dropped = counted
            .map(|(reason, count)| {
                metrics::counter!("telemetry_events_total", "purpose" => purpose, "outcome" => reason.as_str())
                    .increment(count.into());
                DroppedEvents { reason: reason.as_str().to_owned(), count }
            })
            .collect();
        metrics::counter!("telemetry_events_total", "purpose" => purpose, "outcome" => "stored")
            .increment(self.stored.into());
        IngestReceipt { stored: self.stored, dropped, faults: self.faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_counted_once() {
        let mut tally = Tally::default();
        tally.stored(3);
        tally.dropped(DropReason::TooFrequent, 2);
        tally.malformed(EventFault::new(4, "name", "must be a name"));
        let receipt = tally.receipt("analytics");
        assert_eq!(receipt.stored, 3);
        let dropped: Vec<(&str, u32)> = receipt.dropped.iter().map(|d| (d.reason.as_str(), d.count)).collect();
        assert_eq!(dropped, [("malformed", 1), ("too_frequent", 2)]);
        assert_eq!(receipt.faults, [EventFault { index: 4, field: "name".into(), message: "must be a name".into() }]);
    }
}
