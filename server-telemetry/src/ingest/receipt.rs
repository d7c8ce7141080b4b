//! Receipts of ingested batches.

use poem_openapi::{Object, types::Example};

/// Result of a batch. Every event is either stored, or dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct IngestReceipt {
    /// Number of events that are stored, including those that were stored before, so that a batch can be sent again.
    pub stored: u32,
    /// Number of events that were dropped, by reason; reasons that did not occur are left out.
    pub dropped: Vec<DroppedEvents>,
    /// Faults of the events that were dropped as `malformed`. Sending these events again unchanged does not help.
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
    /// Reason for which the events were dropped. More reasons may be added.
    ///
    /// - `no_consent`: the person has not consented to this purpose
    /// - `opted_out`: the request asks not to be tracked (`Sec-GPC: 1` or `DNT: 1`)
    /// - `excluded`: the person is excluded from tracking, or is being erased
    /// - `malformed`: a field of the event is not valid; see `faults`
    /// - `too_frequent`: the event exceeds the maximum rate
    pub reason: String,
    /// Number of events.
    pub count: u32,
}

/// Fault of one event.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct EventFault {
    /// Index of the event in the batch, from 0.
    pub index: u32,
    /// Name of the field at fault.
    pub field: String,
    /// Requirement that the field does not meet; never repeats the value.
    pub message: String,
}

impl EventFault {
    /// Makes a fault of the event at `index`, which is below the size of the largest batch.
    pub(crate) fn new(index: usize, field: &str, message: &str) -> Self {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { index, field: field.to_owned(), message: message.to_owned() }
    }
}

/// Reason for which an event is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// The person has not consented to this purpose.
    NoConsent,
    /// The request asks not to be tracked.
    OptedOut,
    /// The person is excluded from tracking.
    Excluded,
    /// A field of the event is not valid.
    Malformed,
    /// The event exceeds the maximum rate.
    TooFrequent,
}

impl DropReason {
    const ALL: [Self; 5] = [Self::NoConsent, Self::OptedOut, Self::Excluded, Self::Malformed, Self::TooFrequent];

    /// Returns the name that answers and metrics use.
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

/// Counts the stored and the dropped events of a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stored: u32,
    dropped: [u32; DropReason::ALL.len()],
    faults: Vec<EventFault>,
}

impl Tally {
    /// Returns the receipt of a batch of `count` events that are all dropped for one reason.
    pub(crate) fn all_dropped(purpose: &'static str, count: usize, reason: DropReason) -> IngestReceipt {
        let mut tally = Self::default();
        tally.dropped(reason, count);
        tally.receipt(purpose)
    }

    /// Counts `count` stored events.
    pub(crate) fn stored(&mut self, count: usize) {
        self.stored = self.stored.saturating_add(count.try_into().unwrap_or(u32::MAX));
    }

    /// Counts `count` dropped events.
    pub(crate) fn dropped(&mut self, reason: DropReason, count: usize) {
        let slot = &mut self.dropped[reason as usize];
        *slot = slot.saturating_add(count.try_into().unwrap_or(u32::MAX));
    }

    /// Counts an event that is dropped because of `fault`.
    pub(crate) fn malformed(&mut self, fault: EventFault) {
        self.dropped(DropReason::Malformed, 1);
        self.faults.push(fault);
    }

    /// Returns the receipt, and adds its counts to `telemetry_events_total`.
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
