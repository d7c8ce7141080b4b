//! Folds the events of a session into one row, independently of their order and of repetitions. Every value is
//! a minimum, a maximum, a set, or a maximum by key; ClickHouse merges the folds of different batches by the
//! same rules.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::model::{MediaEvent, MediaEventKind};

/// Length in seconds of a slot in which a person was present or not; pages send a heartbeat in each.
const SLOT_SECONDS: i64 = 15;

/// State of a session according to the events of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub kind: &'static str,
    pub appointment_id: i64,
    pub started_at: Option<DateTime<Utc>>,
    pub first_seen_at: Option<DateTime<Utc>>,
    pub last_seen_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub end_reason: String,
    pub sequences: BTreeSet<u32>,
    pub active_slots: BTreeSet<u32>,
    pub stalls: BTreeMap<u32, u32>,
    pub qualities: BTreeMap<u32, u8>,
    /// Sequence, exercise, 1 for the end of the exercise or 0 for its start, milliseconds since 1970, repetitions.
    pub exercises: BTreeSet<(u32, String, u8, i64, u32)>,
}

impl Fold {
    /// Adds one event, which occurred at `at` by the service's clock.
    pub(crate) fn add(&mut self, event: &MediaEvent, at: DateTime<Utc>) {
        self.sequences.insert(event.sequence);
        self.first_seen_at = Some(earliest(self.first_seen_at, at));
        self.last_seen_at = self.last_seen_at.max(Some(at));
        match event.kind {
            MediaEventKind::Started => {
                self.started_at = Some(earliest(self.started_at, at));
                self.kind =
                    self.kind.max(event.session_kind.map(super::model::SessionKind::as_str).unwrap_or_default());
                self.appointment_id = self.appointment_id.max(event.appointment_id.unwrap_or_default());
            }
            MediaEventKind::Heartbeat => {
                self.active_slots.insert(u32::try_from(at.timestamp() / SLOT_SECONDS).unwrap_or_default());
            }
            // Samples have rows of their own.
            MediaEventKind::Bandwidth => {}
            MediaEventKind::QualityChanged => {
                greatest(&mut self.qualities, event.sequence, event.quality.map_or(0, super::model::Quality::grade));
            }
            MediaEventKind::Stalled => {
                greatest(&mut self.stalls, event.sequence, event.duration_ms.unwrap_or_default());
            }
            MediaEventKind::ExerciseStarted | MediaEventKind::ExerciseEnded => {
                let exercise = event.exercise_id.as_ref().map(|id| id.as_ref().to_owned()).unwrap_or_default();
                let ended = u8::from(event.kind == MediaEventKind::ExerciseEnded);
                let repetitions = event.repetitions.unwrap_or_default();
                self.exercises.insert((event.sequence, exercise, ended, at.timestamp_millis(), repetitions));
            }
            MediaEventKind::Ended => {
                self.ended_at = self.ended_at.max(Some(at));
                let reason = event.reason.as_ref().map(AsRef::as_ref).unwrap_or_default();
                if reason > self.end_reason.as_str() {
                    reason.clone_into(&mut self.end_reason);
                }
            }
        }
    }
}

fn earliest(known: Option<DateTime<Utc>>, at: DateTime<Utc>) -> DateTime<Utc> {
    known.map_or(at, |known| known.min(at))
}

fn greatest<V: Ord + Copy>(by_sequence: &mut BTreeMap<u32, V>, sequence: u32, value: V) {
    by_sequence.entry(sequence).and_modify(|known| *known = value.max(*known)).or_insert(value);
}

/// Returns the field of an event at fault, and the requirement that it does not meet: each kind has its own
/// fields.
pub(crate) fn fault(event: &MediaEvent) -> Option<(&'static str, &'static str)> {
    use MediaEventKind as Kind;
    const NOT_TAKEN: &str = "is not taken by this kind of event";
    let kind = event.kind;
    let sampled = event.uplink_kbps.is_some()
        || event.downlink_kbps.is_some()
        || event.round_trip_ms.is_some()
        || event.packet_loss.is_some();
    let exercise = matches!(kind, Kind::ExerciseStarted | Kind::ExerciseEnded);
    // Field, `true` if the event has it, `true` if the kind takes it.
    let taken = [
        ("session_kind", event.session_kind.is_some(), kind == Kind::Started),
        ("appointment_id", event.appointment_id.is_some(), kind == Kind::Started),
        ("uplink_kbps", event.uplink_kbps.is_some(), kind == Kind::Bandwidth),
        ("downlink_kbps", event.downlink_kbps.is_some(), kind == Kind::Bandwidth),
        ("round_trip_ms", event.round_trip_ms.is_some(), kind == Kind::Bandwidth),
        ("packet_loss", event.packet_loss.is_some(), kind == Kind::Bandwidth),
        ("quality", event.quality.is_some(), kind == Kind::QualityChanged),
        ("duration_ms", event.duration_ms.is_some(), kind == Kind::Stalled),
        ("exercise_id", event.exercise_id.is_some(), exercise),
        ("repetitions", event.repetitions.is_some(), kind == Kind::ExerciseEnded),
        ("reason", event.reason.is_some(), kind == Kind::Ended),
    ];
    if let Some((field, ..)) = taken.into_iter().find(|(_, there, takes)| *there && !*takes) {
        return Some((field, NOT_TAKEN));
    }
    match kind {
        Kind::Bandwidth if !sampled => Some(("uplink_kbps", "or another value of the sample must be there")),
        Kind::QualityChanged if event.quality.is_none() => Some(("quality", "is required by this kind of event")),
        Kind::Stalled if event.duration_ms.is_none() => Some(("duration_ms", "is required by this kind of event")),
        _ if exercise && event.exercise_id.is_none() => Some(("exercise_id", "is required by this kind of event")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use server_shared::value::Moment;

    use super::*;
    use crate::{
        media::model::{Quality, SessionKind},
        text::{Identifier, Word},
    };

    fn event() -> impl Strategy<Value = MediaEvent> {
        let kinds = prop_oneof![
            Just(MediaEventKind::Started),
            Just(MediaEventKind::Heartbeat),
            Just(MediaEventKind::QualityChanged),
            Just(MediaEventKind::Stalled),
            Just(MediaEventKind::ExerciseStarted),
            Just(MediaEventKind::ExerciseEnded),
            Just(MediaEventKind::Ended),
        ];
        (kinds, 0_u32..50, 0_i64..7_200, 0_u32..5).prop_map(|(kind, sequence, second, value)| {
            let bare = MediaEvent::bare(kind, sequence);
            let occurred_at = Moment::nearest(bare.occurred_at.get() + chrono::TimeDelta::seconds(second));
            let (quality, exercise) = (Some(Quality::High), Some(Identifier::literal("squat")));
            let event = match kind {
                MediaEventKind::Started => MediaEvent { session_kind: Some(SessionKind::Exercise), ..bare },
                MediaEventKind::QualityChanged => MediaEvent { quality, ..bare },
                MediaEventKind::Stalled => MediaEvent { duration_ms: Some(value), ..bare },
                MediaEventKind::ExerciseStarted => MediaEvent { exercise_id: exercise, ..bare },
                MediaEventKind::ExerciseEnded => MediaEvent { exercise_id: exercise, repetitions: Some(value), ..bare },
                MediaEventKind::Ended => MediaEvent { reason: Some(Word::literal("hung_up")), ..bare },
                MediaEventKind::Heartbeat | MediaEventKind::Bandwidth => bare,
            };
            MediaEvent { occurred_at, ..event }
        })
    }

    fn fold<'a>(events: impl IntoIterator<Item = &'a MediaEvent>) -> Fold {
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.add(event, event.occurred_at.get()));
        fold
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_matters(events in prop::collection::vec(event(), 1..30), turn in 0_usize..30) {
            let once = fold(&events);
            let mut other: Vec<&MediaEvent> = events.iter().rev().chain(&events).collect();
            let turn = turn % other.len();
            other.rotate_left(turn);
            prop_assert_eq!(fold(other), once);
        }

        #[test]
        fn what_this_makes_is_well_formed(event in event()) {
            prop_assert_eq!(fault(&event), None);
        }
    }

    #[test]
    fn each_kind_takes_its_own_fields() {
        let bare = |kind| MediaEvent::bare(kind, 0);
        assert_eq!(fault(&bare(MediaEventKind::Heartbeat)), None);
        assert_eq!(fault(&bare(MediaEventKind::Stalled)).unwrap().0, "duration_ms");
        assert_eq!(fault(&bare(MediaEventKind::Bandwidth)).unwrap().0, "uplink_kbps");
        assert_eq!(fault(&bare(MediaEventKind::ExerciseEnded)).unwrap().0, "exercise_id");
        let foreign = MediaEvent { repetitions: Some(3), ..bare(MediaEventKind::Heartbeat) };
        assert_eq!(fault(&foreign).unwrap().0, "repetitions");
    }

    #[test]
    fn presence_is_counted_in_slots_not_in_heartbeats() {
        let mut fold = Fold::default();
        let start = DateTime::from_timestamp(1_762_765_200, 0).unwrap();
        for second in [0, 3, 14, 15, 15, 31] {
            fold.add(
                &MediaEvent::bare(MediaEventKind::Heartbeat, second),
                start + chrono::TimeDelta::seconds(second.into()),
            );
        }
        assert_eq!(fold.active_slots.len(), 3);
    }
}
