//! Whether a series fits: checked whole, before anything is written.

use chrono::TimeDelta;

use super::model::ConflictReason;
use crate::domain::period::Period;

/// How far around a series' beginnings other bookings are looked for: one lasts up to a day, with buffers of
/// some hours, and local days are not those of UTC.
pub(super) const MARGIN: TimeDelta = TimeDelta::days(3);

/// A time that one appointment of a series shall have.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// What it would keep others out of.
    pub(super) block: Period,
    /// What it keeps others out of where it is now; it does as long as it can't move.
    pub(super) now: Option<Period>,
    /// Why it can't have that time whatever becomes of the series.
    pub(super) obstacle: Option<ConflictReason>,
}

/// Which wishes can't be granted, in their order; the others can, all of them together. Of two that are in
/// each other's way the earlier one wins.
pub(super) fn conflicts(wishes: &[Wish]) -> Vec<Option<ConflictReason>> {
    let mut found: Vec<_> = wishes.iter().map(|wish| wish.obstacle).collect();
    // One that stays where it is may be in the way of another, which then stays as well; each round more
    // of them stay, so there are no more rounds than wishes.
    loop {
        let mut taken: Vec<Period> = Vec::with_capacity(wishes.len());
        let standing = wishes.iter().zip(&found).filter(|(_, conflict)| conflict.is_some());
        taken.extend(standing.filter_map(|(wish, _)| wish.now));
        let mut stays = false;
        for (wish, conflict) in wishes.iter().zip(&mut found).filter(|(_, conflict)| conflict.is_none()) {
            if taken.iter().any(|block| block.overlaps(&wish.block)) {
                *conflict = Some(ConflictReason::SlotTaken);
                stays |= wish.now.is_some();
            } else {
                taken.push(wish.block);
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

    fn moved(from: i64, to: i64) -> Wish {
        Wish { block: block(to, 1), now: Some(block(from, 1)), obstacle: None }
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
        /// Whatever is wished: when what is granted is granted, and the rest stays, nothing overlaps; and
        /// nothing is refused that is in nobody's way.
        #[test]
        fn what_is_granted_fits(
            wishes in proptest::collection::vec((0..40_i64, 1..4_i64, any::<bool>(), 0..10_u8), 1..20),
        ) {
            let wish = |(place, (hour, hours, is_new, obstacle)): (usize, (i64, i64, bool, u8))| Wish {
                block: block(hour, hours),
                // Where they are they don't overlap.
                now: (!is_new).then(|| block(i64::try_from(place).unwrap_or(0) * 4, hours)),
                obstacle: (obstacle == 0).then_some(ConflictReason::TimeSkipped),
            };
            let wishes: Vec<_> = wishes.into_iter().enumerate().map(wish).collect();
            let found = conflicts(&wishes);
            let mut after = Vec::new();
            for (wish, conflict) in wishes.iter().zip(&found) {
                after.extend(if conflict.is_none() { Some(wish.block) } else { wish.now });
            }
            for (place, one) in after.iter().enumerate() {
                prop_assert!(after[place + 1..].iter().all(|other| !one.overlaps(other)), "{:?}", after);
            }
            for (wish, conflict) in wishes.iter().zip(&found).filter(|(wish, _)| wish.obstacle.is_none()) {
                let met = wishes.iter().filter(|other| !std::ptr::eq(*other, wish)).any(|other| {
                    other.block.overlaps(&wish.block) || other.now.is_some_and(|now| now.overlaps(&wish.block))
                });
                prop_assert!(conflict.is_none() || met, "{:?} is in nobody's way", wish);
            }
        }
    }
}
