//! Check of a whole series for overlaps, before anything is written.

use chrono::TimeDelta;

use super::model::ConflictReason;
use crate::domain::period::Period;

/// Distance from a series within which other bookings can overlap it: an appointment lasts up to a day, buffers up to
/// hours, and a local date is not the UTC date.
pub(super) const MARGIN: TimeDelta = TimeDelta::days(3);

/// Time requested for an appointment of a series.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    /// Time that it would block.
    pub(super) block: Period,
    /// Time that it blocks at present, and still does if it cannot move.
    pub(super) now: Option<Period>,
    /// Conflict that does not depend on the rest of the series.
    pub(super) obstacle: Option<ConflictReason>,
}

/// Returns the conflict of each placement, in their order. All placements without a conflict fit together. Of two that
/// overlap, the earlier one has priority.
pub(super) fn conflicts(placements: &[Placement]) -> Vec<Option<ConflictReason>> {
    let mut found: Vec<_> = placements.iter().map(|placement| placement.obstacle).collect();
    // An appointment that cannot move may block another one, which then cannot move, either. Each round finds more of
    // these, so there are at most as many rounds as placements.
    loop {
        let mut taken: Vec<Period> = Vec::with_capacity(placements.len());
        let staying = placements.iter().zip(&found).filter(|(_, conflict)| conflict.is_some());
        taken.extend(staying.filter_map(|(placement, _)| placement.now));
        let mut stays = false;
        for (placement, conflict) in placements.iter().zip(&mut found).filter(|(_, conflict)| conflict.is_none()) {
            if taken.iter().any(|block| block.overlaps(&placement.block)) {
                *conflict = Some(ConflictReason::SlotTaken);
                stays |= placement.now.is_some();
            } else {
                taken.push(placement.block);
            }
        }
        if !stays {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn block(hour: i64, hours: i64) -> Period {
        let start = DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        Period { start, end: start + TimeDelta::hours(hours) }
    }

    fn moved(from: i64, to: i64) -> Placement {
        Placement { block: block(to, 1), now: Some(block(from, 1)), obstacle: None }
    }

    #[test]
    fn each_may_move_to_where_the_next_one_was() {
        let shifted: Vec<_> = (0..10).map(|place| moved(place, place + 1)).collect();
        assert_eq!(conflicts(&shifted), vec![None; 10]);
    }

    #[test]
    fn what_stays_is_in_the_way_of_those_behind_it() {
        let mut shifted: Vec<_> = (0..4).map(|place| moved(place, place + 1)).collect();
        shifted[2].obstacle = Some(ConflictReason::SpecialistAway);
        let taken = Some(ConflictReason::SlotTaken);
        assert_eq!(conflicts(&shifted), [taken, taken, Some(ConflictReason::SpecialistAway), None]);
    }

    proptest! {
        /// After the granted moves nothing overlaps, and no placement is refused without an overlap.
        #[test]
        fn what_is_granted_fits(
            placements in proptest::collection::vec((0..40_i64, 1..4_i64, any::<bool>(), 0..10_u8), 1..20),
        ) {
            let placement = |(place, (hour, hours, is_new, obstacle)): (usize, (i64, i64, bool, u8))| Placement {
                block: block(hour, hours),
                // The present blocks do not overlap.
                now: (!is_new).then(|| block(i64::try_from(place).unwrap_or(0) * 4, hours)),
                obstacle: (obstacle == 0).then_some(ConflictReason::TimeSkipped),
            };
            let placements: Vec<_> = placements.into_iter().enumerate().map(placement).collect();
            let found = conflicts(&placements);
            let mut after = Vec::new();
            for (placement, conflict) in placements.iter().zip(&found) {
                after.extend(if conflict.is_none() { Some(placement.block) } else { placement.now });
            }
            for (place, one) in after.iter().enumerate() {
                prop_assert!(after[place + 1..].iter().all(|other| !one.overlaps(other)), "{:?}", after);
            }
            for (placement, conflict) in placements.iter().zip(&found).filter(|(placement, _)| placement.obstacle.is_none()) {
                let met = placements.iter().filter(|other| !std::ptr::eq(*other, placement)).any(|other| {
                    other.block.overlaps(&placement.block) || other.now.is_some_and(|now| now.overlaps(&placement.block))
                });
                prop_assert!(conflict.is_none() || met, "{:?} is in nobody's way", placement);
            }
        }
    }
}
