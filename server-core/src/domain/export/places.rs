//! Places of tables that are being sent. Each holds a connection and a snapshot for as long as its receiver takes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::ids::OrganizationId;

/// Largest number of tables that a process sends at once.
const SENT_AT_ONCE: usize = 4;

/// Number of tables that are being sent, by organization.
type Taken = Mutex<HashMap<OrganizationId, usize>>;

/// Places of a process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    total: usize,
    taken: Arc<Taken>,
}

/// Taken place, which is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    organization: OrganizationId,
    taken: Arc<Taken>,
}

impl Places {
    /// Makes the places of a process whose pools have this many connections, half of which are left to other requests.
    pub(super) fn new(connections: u32) -> Self {
        let half = usize::try_from(connections / 2).unwrap_or(SENT_AT_ONCE);
        Self { total: half.min(SENT_AT_ONCE), taken: Arc::default() }
    }

    /// Takes a place for a table of an organization, which may have half of them, but at least one; `None` if there is
    /// none.
    pub(super) fn take(&self, organization: OrganizationId) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let own = taken.get(&organization).copied().unwrap_or_default();
        if taken.values().sum::<usize>() >= self.total || own >= (self.total / 2).max(1) {
            return None;
        }
        taken.insert(organization, own + 1);
        Some(Place { organization, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(own) = taken.get_mut(&self.organization) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.organization);
            }
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<OrganizationId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_organization_takes_the_places_of_others() {
        let places = Places::new(25);
        let [one, two, three] = [1, 2, 3].map(OrganizationId);
        let mut open: Vec<_> = [one, one, two].into_iter().map(|organization| places.take(organization)).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(places.take(one).is_none(), "it has half of them");
        let last = places.take(two);
        assert!(last.is_some() && places.take(three).is_none(), "all are taken");
        drop(open.remove(0));
        assert!(places.take(three).is_some());
        assert!(places.take(one).is_some(), "the place of another one was free at once");
    }

    #[test]
    fn requests_have_connections_left() {
        let organization = OrganizationId(1);
        assert!(Places::new(1).take(organization).is_none(), "it could not even be recorded");
        let places = Places::new(2);
        let only = places.take(organization);
        assert!(only.is_some() && places.take(OrganizationId(2)).is_none());
    }
}
