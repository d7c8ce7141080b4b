//! Lanes: the jobs that this process runs, by kind and organization, and the organization of each lane's latest job.

use std::collections::{BTreeMap, HashMap};

use tokio::task::{Id, JoinSet};

/// Running jobs, each with its place in a lane.
#[derive(Debug)]
pub(super) struct InHand {
    running: JoinSet<()>,
    places: HashMap<Id, Place>,
    lanes: Lanes,
}

impl InHand {
    /// Builds empty lanes of these kinds and widths.
    pub(super) fn new(lanes: impl IntoIterator<Item = (&'static str, usize)>) -> Self {
        Self { running: JoinSet::new(), places: HashMap::new(), lanes: Lanes::new(lanes) }
    }

    /// Returns the free places that a claim may fill; `None` while every lane is full.
    pub(super) fn room(&self) -> Option<Room> {
        self.lanes.room()
    }

    /// Starts a run of a job of an organization, 0 for none.
    pub(super) fn start(
        &mut self,
        kind: &'static str,
        organization: i64,
        attempt: impl Future<Output = ()> + Send + 'static,
    ) {
        let place = self.lanes.take(kind, organization);
        self.places.insert(self.running.spawn(attempt).id(), place);
    }

    /// Waits until a run has ended; `None` if none is in progress.
    pub(super) async fn ended(&mut self) -> Option<()> {
        let ended = self.running.join_next_with_id().await?;
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        if let Some(place) = self.places.remove(&id) {
            self.lanes.give_back(&place);
        }
        Some(())
    }
}

/// Lanes of a process, one for each kind of work, so that no kind waits for the jobs of another.
#[derive(Debug)]
struct Lanes(BTreeMap<&'static str, Lane>);

#[derive(Debug)]
struct Lane {
    width: usize,
    /// Number of running jobs by organization; 0 is the key of jobs without one.
    in_hand: BTreeMap<i64, usize>,
    /// Organization whose job was started last.
    last: i64,
}

/// Place in a lane that a running job occupies.
#[derive(Debug)]
struct Place {
    kind: &'static str,
    organization: i64,
}

/// Kinds and places that a claim may fill, as parameters of the claim statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Kinds whose lanes have free places.
    pub(super) kinds: Vec<String>,
    /// Number of free places of each kind.
    pub(super) free: Vec<i32>,
    /// Organization whose job was started last, of each kind; -1 before the first.
    pub(super) after: Vec<i64>,
    /// Kinds of the pairs of kind and organization that have as many running jobs as they may.
    pub(super) full_kinds: Vec<String>,
    /// Organizations of those pairs, in the same order.
    pub(super) full_organizations: Vec<i64>,
}

impl Lanes {
    fn new(lanes: impl IntoIterator<Item = (&'static str, usize)>) -> Self {
        let lane = |(kind, width)| (kind, Lane { width, in_hand: BTreeMap::new(), last: -1 });
        Self(lanes.into_iter().map(lane).inspect(|(kind, lane)| lane.measure(kind)).collect())
    }

    fn room(&self) -> Option<Room> {
        let mut room = Room::default();
        for (kind, lane) in &self.0 {
            let free = lane.width.saturating_sub(lane.in_hand.values().sum());
            if free == 0 {
                continue;
            }
            room.kinds.push((*kind).to_owned());
            room.free.push(i32::try_from(free).unwrap_or(i32::MAX));
            room.after.push(lane.last);
            for (organization, _) in lane.in_hand.iter().filter(|(_, held)| **held >= lane.share()) {
                room.full_kinds.push((*kind).to_owned());
                room.full_organizations.push(*organization);
            }
        }
        (!room.kinds.is_empty()).then_some(room)
    }

    fn take(&mut self, kind: &'static str, organization: i64) -> Place {
        if let Some(lane) = self.0.get_mut(kind) {
            *lane.in_hand.entry(organization).or_default() += 1;
            lane.last = organization;
            lane.measure(kind);
        }
        Place { kind, organization }
    }

    fn give_back(&mut self, place: &Place) {
        let Some(lane) = self.0.get_mut(place.kind) else { return };
        if let Some(held) = lane.in_hand.get_mut(&place.organization) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                lane.in_hand.remove(&place.organization);
            }
        }
        lane.measure(place.kind);
    }
}

impl Lane {
    /// Returns the number of places that one organization may occupy even if no other wants them: the next one must not
    /// have to wait for jobs that hang.
    fn share(&self) -> usize {
        (self.width / 2).max(1)
    }

    fn measure(&self, kind: &'static str) {
        let in_hand = u32::try_from(self.in_hand.values().sum::<usize>()).unwrap_or(u32::MAX);
        metrics::gauge!("jobs_in_hand", "kind" => kind).set(f64::from(in_hand));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const KINDS: [&str; 2] = ["hooks", "rooms"];

    /// Returns true if a claim may start another job of `kind` for `organization`, by the parameters of the statement.
    fn admits(room: Option<&Room>, kind: &str, organization: i64) -> bool {
        room.is_some_and(|room| {
            let full = room.full_kinds.iter().zip(&room.full_organizations);
            room.kinds.iter().any(|known| known == kind)
                && !full.into_iter().any(|(full, whose)| full == kind && *whose == organization)
        })
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// A claim finds a due job of this kind and organization.
        Due(usize, i64),
        /// One of the runs ends.
        Ended(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..KINDS.len(), 0..4_i64).prop_map(|(kind, organization)| Step::Due(kind, organization)),
            1 => any::<prop::sample::Index>().prop_map(Step::Ended),
        ]
    }

    proptest! {
        #[test]
        fn an_organization_holds_half_of_a_lane_at_most_and_finds_room_in_the_other_half(
            widths in prop::array::uniform2(1..9_usize),
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let mut lanes = Lanes::new(KINDS.into_iter().zip(widths));
            let mut places: Vec<Place> = Vec::new();
            let held = |places: &[Place], kind: &str, whose: Option<i64>| {
                let counts = |place: &&Place| place.kind == kind && whose.is_none_or(|whose| place.organization == whose);
                places.iter().filter(counts).count()
            };
            for step in steps {
                match step {
                    Step::Due(kind, organization) => {
                        let (kind, width) = (KINDS[kind], widths[kind]);
                        let most = (width / 2).max(1);
                        let may = held(&places, kind, None) < width && held(&places, kind, Some(organization)) < most;
                        prop_assert_eq!(admits(lanes.room().as_ref(), kind, organization), may);
                        if may {
                            places.push(lanes.take(kind, organization));
                        }
                    }
                    Step::Ended(index) if !places.is_empty() => {
                        lanes.give_back(&places.swap_remove(index.index(places.len())));
                    }
                    Step::Ended(_) => {}
                }
            }
            for place in places {
                lanes.give_back(&place);
            }
            let room = lanes.room().unwrap();
            prop_assert_eq!(room.free, widths.map(|width| i32::try_from(width).unwrap()));
            prop_assert!(room.full_kinds.is_empty() && room.full_organizations.is_empty());
        }
    }

    #[test]
    fn the_next_turn_comes_after_the_last_one_in_the_same_lane() {
        let mut lanes = Lanes::new([("hooks", 4), ("rooms", 4)]);
        assert_eq!(lanes.room().unwrap().after, [-1, -1]);
        let place = lanes.take("rooms", 7);
        lanes.give_back(&place);
        assert_eq!(lanes.room().unwrap().after, [-1, 7]);
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_its_attempt_has_ended_however_it_did() {
        let mut in_hand = InHand::new([("rooms", 2)]);
        in_hand.start("rooms", 1, async {});
        in_hand.start("rooms", 2, async { panic!("planted") });
        assert_eq!(in_hand.room(), None);
        while in_hand.ended().await.is_some() {}
        assert_eq!(in_hand.room().unwrap().free, [2]);
    }
}
