//! Service for pose frames.

use std::{collections::HashSet, sync::Arc};

use chrono::TimeDelta;

use super::model::{LANDMARKS, Landmarks, NUMBERS, PoseBatch, PoseRow};
use crate::{
    compliance::Compliance,
    identity::Member,
    ingest::{Clock, DropReason, IngestReceipt, Tally},
    privacy::{ConsentService, Purpose},
    storage::{StoreError, clickhouse::Writer},
    text::{Identifier, SharedText},
};

/// Length in milliseconds of a slot that holds one frame; there are some 60 slots a second.
const SLOT_MS: u32 = 16;

/// Number of steps in a coordinate of 1; a coordinate of 4 still fits into 16 bits.
const STEPS: f32 = 8_000.0;

/// Stores frames of consenting people.
pub(crate) struct PoseService {
    pub consents: Arc<ConsentService>,
    pub compliance: Arc<Compliance>,
    pub frames: Writer<PoseRow>,
}

impl PoseService {
    /// Stores the frames of a batch, at most 60 a second; returns once they are durable.
    pub(crate) async fn track(&self, member: &Member, batch: PoseBatch) -> Result<IngestReceipt, StoreError> {
        let purpose = Purpose::Pose;
        if let Some(reason) = self.consents.refusal(member, purpose).await? {
            return Ok(Tally::all_dropped(purpose.as_str(), batch.frames.len(), reason));
        }
        let clock = Clock::now(batch.sent_at);
        let actor = self.compliance.actor(member.organization_id, member.user_id);
        let exercise_id = SharedText::from(batch.exercise_id.map(Identifier::into_inner).unwrap_or_default());
        let mut tally = Tally::default();
        let mut rate = Rate::default();
        let mut rows = Vec::with_capacity(batch.frames.len());
        for frame in batch.frames {
            if !rate.admits(frame.offset_ms) {
                tally.dropped(DropReason::TooFrequent, 1);
                continue;
            }
            let occurred_at = batch.started_at.get() + TimeDelta::milliseconds(frame.offset_ms.into());
            rows.push(PoseRow {
                organization_id: member.organization_id,
                session_id: batch.session_id,
                actor,
                offset_ms: frame.offset_ms,
                exercise_id: exercise_id.clone(),
                occurred_at: clock.place(occurred_at),
                received_at: clock.received_at,
                landmarks: quantized(&frame.landmarks),
            });
        }
        tally.stored(rows.len());
        self.frames.write(rows).await?;
        Ok(tally.receipt(purpose.as_str()))
    }
}

/// Admits one frame in each slot of time. Only the batch decides which one, so the same frames are kept if it
/// is sent again.
#[derive(Debug, Default)]
struct Rate {
    taken: HashSet<u32>,
}

impl Rate {
    fn admits(&mut self, offset_ms: u32) -> bool {
        self.taken.insert(offset_ms / SLOT_MS)
    }
}

/// Converts the values to 8,000ths; the schema keeps them within ±4.
fn quantized(landmarks: &Landmarks) -> Vec<i16> {
    let mut steps = Vec::with_capacity(LANDMARKS * NUMBERS);
    for number in landmarks.0.iter().flatten() {
        #[allow(clippy::cast_possible_truncation, reason = "`as` saturates, and 4 × 8,000 fits")]
        steps.push((number * STEPS).round() as i16);
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_more_than_one_frame_a_slot() {
        let mut rate = Rate::default();
        let kept: Vec<u32> = (0..1_000).filter(|offset| rate.admits(*offset)).collect();
        assert_eq!(kept.len(), 63, "a second has 62.5 slots");
        assert!(!rate.admits(999), "the same frame twice");
    }

    proptest! {
        #[test]
        fn quantizing_loses_less_than_a_step(number in -4.0_f32..=4.0) {
            let mut landmarks = Landmarks([[0.0; NUMBERS]; LANDMARKS]);
            landmarks.0[32][3] = number;
            let steps = quantized(&landmarks);
            prop_assert_eq!(steps.len(), 132);
            prop_assert!((f32::from(steps[131]) / STEPS - number).abs() <= 0.51 / STEPS);
        }
    }
}
