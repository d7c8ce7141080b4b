//! Reactions to events.

use std::{any::Any, fmt};

use super::{Audience, Event, Fact};
use crate::{
    database::DatabaseError,
    identity::Origin,
    ids::{OrganizationId, UserId},
    jobs::{NewJob, Work},
};

/// Reactions of the service. A reaction is a pure function that maps an event and the audience to jobs: it reads
/// nothing and can't fail.
#[derive(Default)]
pub(crate) struct Reactions(Vec<Reaction>);

struct Reaction {
    name: &'static str,
    react: React,
}

/// Maps an event, the audience, the organization of the event and the user who caused it to jobs; returns none for an
/// event of another type.
type React = Box<
    dyn Fn(&dyn Any, Audience, Option<OrganizationId>, Option<UserId>) -> Result<Vec<NewJob>, DatabaseError>
        + Send
        + Sync,
>;

impl Reactions {
    /// Adds a reaction to events of one type; `name` is a short clause that says what it does.
    #[must_use]
    pub(crate) fn on<E: Event, W: Work>(mut self, name: &'static str, react: fn(&E, Audience) -> Vec<W>) -> Self {
        let react = move |event: &dyn Any, audience: Audience, organization, person| {
            let works = event.downcast_ref::<E>().map(|event| react(event, audience)).unwrap_or_default();
            works.iter().map(|work| NewJob::of(work, organization, person)).collect()
        };
        self.0.push(Reaction { name, react: Box::new(react) });
        self
    }

    /// Returns the jobs that follow from events, each once, because several events may ask for the same. `audience` is
    /// that of the request's organization; for events of another organization, every listener is assumed.
    pub(crate) fn jobs(
        &self,
        facts: &[Fact],
        audience: Audience,
        origin: &Origin,
    ) -> Result<Vec<NewJob>, DatabaseError> {
        let mut jobs: Vec<NewJob> = Vec::new();
        for (fact, reaction) in facts.iter().flat_map(|fact| self.0.iter().map(move |reaction| (fact, reaction))) {
            let organization = fact.organization.or(origin.organization);
            let audience = if organization == origin.organization { audience } else { Audience::EVERYBODY };
            for job in (reaction.react)(fact.event.as_ref(), audience, organization, origin.actor.person())? {
                if !jobs.iter().any(|known| known.is_same_work(&job)) {
                    jobs.push(job);
                }
            }
        }
        Ok(jobs)
    }
}

impl fmt::Debug for Reactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|reaction| reaction.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde::{Deserialize, Serialize};
    use uuid::Uuid;

    use super::*;
    use crate::{event::Events, identity::Actor, ids::Entity};

    #[derive(Debug, Clone)]
    pub(crate) struct Thing(i64);

    impl Entity for Thing {
        const TYPE: &'static str = "thing";

        fn entity_id(&self) -> String {
            self.0.to_string()
        }
    }

    struct Moved(i64);

    impl Event for Moved {
        type Of = Thing;

        fn of(&self) -> Thing {
            Thing(self.0)
        }

        fn verb(&self) -> &'static str {
            "moved"
        }
    }

    crate::event::events! {
        /// Events without a reaction.
        StayedEvent of Thing {
            /// The thing stayed.
            Stayed => "stayed",
        }
    }

    #[derive(Serialize, Deserialize)]
    struct Follow(i64);

    impl Work for Follow {
        const KIND: &'static str = "thing_follow";
    }

    #[test]
    fn a_reaction_hears_of_its_events_and_leaves_the_same_work_once() {
        let follow = |moved: &Moved, audience: Audience| {
            if audience.waiting { vec![Follow(moved.0 / 2)] } else { Vec::new() }
        };
        let reactions = Reactions::default().on("things are followed", follow);
        let origin = Origin::own(Actor::System, "thing_move", Uuid::now_v7());
        let jobs = |events: Events, waiting: bool| {
            let jobs =
                reactions.jobs(&events.into_parts().1, Audience { waiting, ..Audience::EVERYBODY }, &origin).unwrap();
            jobs.into_iter().map(|job| (job.kind, job.payload)).collect::<Vec<_>>()
        };
        let expected = |thing: i64| ("thing_follow", serde_json::json!(thing));
        let moved = || Events::from(Moved(4)).and([Moved(5), Moved(6)]);
        assert_eq!(jobs(moved(), true), [expected(2), expected(3)]);
        assert_eq!(jobs(moved(), false), [], "nobody listens");
        assert_eq!(jobs(moved().in_organization(OrganizationId(2)), false).len(), 2, "elsewhere somebody may");
        assert_eq!(jobs(StayedEvent::Stayed(Thing(4)).into(), true), []);
    }
}
