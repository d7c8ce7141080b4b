//! Addresses as limits and the audit trail count them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Bits of an IPv6 address that one customer of a provider has in common; the rest is theirs to choose.
const SUBSCRIBER_V6: u8 = 64;
/// Bits of an IPv4 address that neighbours have in common.
const NEIGHBOURHOOD_V4: u8 = 24;

/// Returns the part of an address that one peer can't change at will: an IPv4 address, or the /64 of an IPv6 one.
/// Counting by it counts a peer once, whichever of its addresses it uses.
pub fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        ip @ IpAddr::V6(_) => network(ip, SUBSCRIBER_V6).network(),
    }
}

/// Returns the network in which attempts of unauthenticated callers are counted together: /24 of IPv4, /64 of IPv6.
pub fn neighbourhood(ip: IpAddr) -> IpNet {
    match ip.to_canonical() {
        ip @ IpAddr::V4(_) => network(ip, NEIGHBOURHOOD_V4),
        ip @ IpAddr::V6(_) => network(ip, SUBSCRIBER_V6),
    }
}

/// Returns the address that two attempts have in common: their own if it is the same, or the first one of the network
/// in which both are neighbours.
pub fn common(one: Option<IpAddr>, other: Option<IpAddr>) -> Option<IpAddr> {
    let (one, other) = (one?.to_canonical(), other?.to_canonical());
    if one == other {
        return Some(one);
    }
    let shared = neighbourhood(one);
    shared.contains(&other).then(|| shared.network())
}

fn network(ip: IpAddr, bits: u8) -> IpNet {
    // Both lengths fit both kinds of address; were one too long, the address alone is the network.
    IpNet::new(ip, bits).unwrap_or_else(|_| ip.into()).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_subscriber_is_one_peer_whatever_its_address() {
        assert_eq!(subscriber(ip("2001:db8:1:2:aaaa::1")), subscriber(ip("2001:db8:1:2:bbbb::2")));
        assert_ne!(subscriber(ip("2001:db8:1:2::1")), subscriber(ip("2001:db8:1:3::1")));
        assert_ne!(subscriber(ip("203.0.113.7")), subscriber(ip("203.0.113.8")));
        assert_eq!(subscriber(ip("::ffff:203.0.113.7")), ip("203.0.113.7"), "the same peer by either protocol");
    }

    #[test]
    fn an_address_is_said_of_two_only_if_it_is_true_of_both() {
        let common = |one: &str, other: &str| common(Some(ip(one)), Some(ip(other)));
        assert_eq!(common("203.0.113.7", "203.0.113.7"), Some(ip("203.0.113.7")));
        assert_eq!(common("203.0.113.7", "203.0.113.8"), Some(ip("203.0.113.0")));
        assert_eq!(common("203.0.113.0", "203.0.113.9"), Some(ip("203.0.113.0")), "and of a third");
        assert_eq!(common("2001:db8::1", "2001:db8::2"), Some(ip("2001:db8::")));
        assert_eq!(common("203.0.113.7", "198.51.100.7"), None);
        assert_eq!(super::common(Some(ip("203.0.113.7")), None), None);
    }

    #[test]
    fn neighbours_are_counted_together() {
        assert_eq!(neighbourhood(ip("203.0.113.7")).to_string(), "203.0.113.0/24");
        assert_eq!(neighbourhood(ip("::ffff:203.0.113.7")).to_string(), "203.0.113.0/24");
        assert_eq!(neighbourhood(ip("2001:db8:1:2:aaaa::1")).to_string(), "2001:db8:1:2::/64");
    }
}
