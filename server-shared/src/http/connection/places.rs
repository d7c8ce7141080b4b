//! Limits on the number of connections, in total and per peer.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

use crate::address::subscriber;

/// Reason why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The process has its largest number of connections.
    Total,
    /// The peer has its largest number of connections.
    Address,
}

impl Full {
    /// Returns its name in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

/// Counts of open connections, with their limits.
#[derive(Debug)]
pub(super) struct Places {
    total: usize,
    per_address: usize,
    /// Networks of proxies, each of which serves many peers.
    exempt: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Places {
    /// Makes the counts. Peers in `exempt` count in total only.
    pub(super) fn new(total: usize, per_address: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { total, per_address, exempt, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection of this peer; it is free again when dropped.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Full> {
        let peer = peer.to_canonical();
        let counted = (!self.exempt.iter().any(|network| network.contains(&peer))).then(|| subscriber(peer));
        let mut taken = self.taken();
        if taken.total >= self.total {
            return Err(Full::Total);
        }
        if let Some(address) = counted {
            let count = taken.by_address.entry(address).or_default();
            // A refused peer has an entry already, because the limit is at least 1.
            if *count >= self.per_address {
                return Err(Full::Address);
            }
            *count += 1;
        }
        taken.total += 1;
        Ok(Place { places: Arc::clone(self), counted })
    }
}

/// A taken place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    counted: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.total -= 1;
        let Some(address) = self.counted else { return };
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_bounded_and_come_back_and_leave_nothing_behind() {
        let places = Places::new(4, 2, vec!["10.0.0.0/8".parse().unwrap()]);
        let one = places.take(ip("2001:db8::1")).unwrap();
        let other = places.take(ip("2001:db8::2")).unwrap();
        assert_eq!(places.take(ip("2001:db8::3")).unwrap_err(), Full::Address, "a /64 is one peer");
        drop(one);
        let again = places.take(ip("2001:db8::3")).unwrap();
        let proxied = [places.take(ip("10.0.0.1")).unwrap(), places.take(ip("::ffff:10.0.0.1")).unwrap()];
        assert_eq!(places.take(ip("10.0.0.1")).unwrap_err(), Full::Total, "a proxy is bounded by the total alone");
        drop((other, again, proxied));
        assert!(places.taken().by_address.is_empty(), "a peer that has gone is not remembered");
        assert_eq!(places.taken().total, 0);
    }
}
