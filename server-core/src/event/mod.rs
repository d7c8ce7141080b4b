//! Events, and the reactions to them.
//!
//! A domain states its events as a type; a write ends with one or several of them. The audit entry follows from the
//! event, and so do the jobs of whoever reacts: [`Reactions`] is one table, in `app.rs`, so that a new listener
//! touches no write and a new write forgets no listener.

mod audience;
mod reaction;

use std::{any::Any, fmt};

use poem_openapi::types::ToJSON;

use crate::{
    audit::Audit,
    ids::{Entity, OrganizationId},
};

pub(crate) use audience::Audience;
pub(crate) use reaction::Reactions;

/// Something that happened to an entity. It holds ids, states and times, never a value that a person typed.
pub(crate) trait Event: Any + Send + Sync {
    /// The entity.
    type Of: Entity;

    /// The entity's id.
    fn of(&self) -> Self::Of;

    /// The verb, in the past: with the entity's type it is the stable name of the event, e.g. `appointment.booked`.
    fn verb(&self) -> &'static str;

    /// Names of the fields that really changed.
    fn changed(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// States the events of an entity: each variant holds the id, and one with `[changed]` the names of the fields that
/// really changed.
macro_rules! events {
    (
        $(#[$doc:meta])*
        $name:ident of $id:ty {
            $($(#[$variant_doc:meta])* $variant:ident $([$changed:ident])? => $verb:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant($id $(, $crate::event::events!(@names $changed))?),)*
        }

        impl $crate::event::Event for $name {
            type Of = $id;

            fn of(&self) -> $id {
                match self {
                    $(Self::$variant(id $(, $crate::event::events!(@any $changed))?) => id.clone(),)*
                }
            }

            fn verb(&self) -> &'static str {
                match self {
                    $(Self::$variant(..) => $verb,)*
                }
            }

            fn changed(&self) -> Vec<&'static str> {
                match self {
                    $($(Self::$variant(_, $changed) => $changed.clone(),)?)*
                    #[allow(unreachable_patterns, reason = "every event of the entity may name fields")]
                    _ => Vec::new(),
                }
            }
        }
    };
    (@names $changed:ident) => { Vec<&'static str> };
    (@any $changed:ident) => { _ };
}

pub(crate) use events;

/// Returns those of `fields` whose values differ between two states of an entity, as the API shows them.
pub(crate) fn changed<T: ToJSON>(before: &T, after: &T, fields: &[&'static str]) -> Vec<&'static str> {
    let [before, after] = [before, after].map(|state| state.to_json().unwrap_or_default());
    fields.iter().copied().filter(|field| before.get(field) != after.get(field)).collect()
}

/// Events of one write: one or several, in the order in which they happened.
#[derive(Debug)]
#[must_use]
pub(crate) struct Events {
    audit: Audit,
    facts: Vec<Fact>,
}

/// An event, for the reactions to its type.
pub(crate) struct Fact {
    event: Box<dyn Any + Send + Sync>,
    /// The organization in which it happened, if not in the request's.
    organization: Option<OrganizationId>,
}

impl Events {
    /// Adds further events of the same write.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        for other in others {
            let Self { audit, facts } = other.into();
            self.audit = self.audit.and([audit]);
            self.facts.extend(facts);
        }
        self
    }

    /// Moves the events, and the jobs that follow, to an organization other than the request's: one message may concern
    /// several. The application role may leave no job there, so such a write runs as the owner.
    pub(crate) fn in_organization(mut self, organization: OrganizationId) -> Self {
        for fact in &mut self.facts {
            fact.organization = Some(organization);
        }
        Self { audit: self.audit.in_organization(organization), ..self }
    }

    /// The audit entry, and the events for whoever reacts.
    pub(crate) fn into_parts(self) -> (Audit, Vec<Fact>) {
        (self.audit, self.facts)
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fact").field("organization", &self.organization).finish_non_exhaustive()
    }
}

impl<E: Event> From<E> for Events {
    fn from(event: E) -> Self {
        let audit = Audit::action(event.verb(), &event.of()).changing(event.changed());
        Self { audit, facts: vec![Fact { event: Box::new(event), organization: None }] }
    }
}
