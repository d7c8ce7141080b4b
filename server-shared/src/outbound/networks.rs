//! Tells which addresses lie on the public Internet.
//!
//! The standard library's `IpAddr::is_global` is unstable, and no maintained crate classifies addresses:
//! `ip_network` is unmaintained and lacks later reservations. The tables are the special-purpose registries
//! of IANA; each entry names the RFC that reserves it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks that are no part of the public Internet.
static RESERVED_V4: [Ipv4Net; 17] = [
    v4([0, 0, 0, 0], 8),        // this network, and the unspecified address (RFC 791)
    v4([10, 0, 0, 0], 8),       // private (RFC 1918)
    v4([100, 64, 0, 0], 10),    // carrier-grade NAT (RFC 6598); metadata of Alibaba Cloud
    v4([127, 0, 0, 0], 8),      // loopback (RFC 1122)
    v4([168, 63, 129, 16], 32), // metadata of Azure, though a public address by its form
    v4([169, 254, 0, 0], 16),   // link-local (RFC 3927); metadata of most clouds
    v4([172, 16, 0, 0], 12),    // private (RFC 1918)
    v4([192, 0, 0, 0], 24),     // protocol assignments (RFC 6890); metadata of Oracle Cloud
    v4([192, 0, 2, 0], 24),     // documentation (RFC 5737)
    v4([192, 31, 196, 0], 24),  // AS112 (RFC 7535): answers nothing but name servers
    v4([192, 88, 99, 0], 24),   // relays of 6to4 (RFC 7526)
    v4([192, 168, 0, 0], 16),   // private (RFC 1918)
    v4([198, 18, 0, 0], 15),    // benchmarks (RFC 2544)
    v4([198, 51, 100, 0], 24),  // documentation (RFC 5737)
    v4([203, 0, 113, 0], 24),   // documentation (RFC 5737)
    v4([224, 0, 0, 0], 4),      // multicast (RFC 5771)
    v4([240, 0, 0, 0], 4),      // reserved (RFC 1112), and the broadcast address
];

/// Global unicast of IPv6 (RFC 4291). Addresses outside are loopback, link-local, site-local, unique local,
/// multicast, or holds an IPv4 address: mapped, compatible, or translated by NAT64 (`64:ff9b::/96`,
/// `64:ff9b:1::/48`).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// Networks inside of global unicast that are no part of the public Internet.
static RESERVED_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0], 23),     // protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID
    v6([0x2001, 0xdb8, 0], 32), // documentation (RFC 3849)
    v6([0x2002, 0, 0], 16),     // 6to4 (RFC 3056), which holds an IPv4 address
    v6([0x3fff, 0, 0], 20),     // documentation (RFC 9637)
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b, c]: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// Returns true if `ip` is a public unicast address. An IPv4 address in the form of an IPv6 one is not: no
/// host of the Internet has such an address.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !RESERVED_V4.iter().any(|network| network.contains(&ip)),
        IpAddr::V6(ip) => GLOBAL_V6.contains(&ip) && !RESERVED_V6.iter().any(|network| network.contains(&ip)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of each network that must be out of reach, and famous ones inside.
    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::10.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::a00:1",
        "100::1",
        "1fff:ffff::1",
        "2001::1",
        "2001:0:a00:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ];

    /// Neighbours of refused networks, and hosts of the Internet.
    const PUBLIC: &[&str] = &[
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "3ffe::1",
        "3fff:1000::1",
    ];

    #[test]
    fn addresses_of_the_internet_are_told_from_all_others() {
        let public = |text: &&str| is_public(text.parse().unwrap());
        let wrong: Vec<_> = REFUSED.iter().filter(|text| public(text)).collect();
        assert!(wrong.is_empty(), "these must be out of reach: {wrong:?}");
        let wrong: Vec<_> = PUBLIC.iter().filter(|text| !public(text)).collect();
        assert!(wrong.is_empty(), "these are hosts of the Internet: {wrong:?}");
    }
}
