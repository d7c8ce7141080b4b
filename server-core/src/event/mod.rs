//! Events, and the reactions to them.
//!
//! A domain defines its events as a type, and a write ends with one or several of them. The audit entry and the jobs of
//! the reactions follow from the event. [`Reactions`] is one table, in `app/domains.rs`, so a new listener changes no
//! write, and a new write can't forget a listener.

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

/// Event: something that happened to an entity. It holds ids, states and times, never a value that a person typed.
pub(crate) trait Event: Any + Send + Sync {
    /// Type of the entity's id.
    type Of: Entity;

    /// Returns the entity's id.
    fn of(&self) -> Self::Of;

    /// Returns the verb in the past tense; with the entity's type it forms the stable name of the event, e.g.
    /// `appointment.booked`.
    fn verb(&self) -> &'static str;

    /// Returns the names of the fields whose values changed.
    fn changed(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Returns the names of changed fields that a clinic has defined, e.g. `values.blood_group`: names are no values.
    fn changed_keys(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Defines the events of an entity. Each variant holds the id, and one with `[changed]` also the names of the fields
/// whose values changed.
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

/// Events of one write, in the order in which they happened.
#[derive(Debug)]
#[must_use]
pub(crate) struct Events {
    audit: Audit,
    facts: Vec<Fact>,
}

/// Event as the reactions to its type take it.
pub(crate) struct Fact {
    event: Box<dyn Any + Send + Sync>,
    /// Organization of the event, if it is not the request's.
    organization: Option<OrganizationId>,
}

impl Events {
    /// Collects the events of one write; `None` if there are none, so that nothing is to be committed.
    pub(crate) fn all(events: impl IntoIterator<Item = impl Into<Self>>) -> Option<Self> {
        let mut events = events.into_iter();
        let first: Self = events.next()?.into();
        Some(first.and(events))
    }

    /// Adds further events of the same write.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        for other in others {
            let Self { audit, facts } = other.into();
            self.audit = self.audit.and([audit]);
            self.facts.extend(facts);
        }
        self
    }

    /// Adds the audit entry of records that the write discloses besides those that it changes.
    pub(crate) fn disclosing(mut self, read: Audit) -> Self {
        self.audit = self.audit.and([read]);
        self
    }

    /// Moves the events and their jobs to an organization other than the request's: one message may concern several.
    /// The application role may not insert jobs there, so such a write runs as the owner.
    pub(crate) fn in_organization(mut self, organization: OrganizationId) -> Self {
        for fact in &mut self.facts {
            fact.organization = Some(organization);
        }
        Self { audit: self.audit.in_organization(organization), ..self }
    }

    /// Splits into the audit entry and the events for the reactions.
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
        let audit = Audit::action(event.verb(), &event.of()).changing(event.changed()).naming(event.changed_keys());
        Self { audit, facts: vec![Fact { event: Box::new(event), organization: None }] }
    }
}
