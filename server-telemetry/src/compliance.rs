//! Pseudonyms: the form in which people and their clients may be stored. Knows neither HTTP nor SQL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use server_shared::crypto::{Key32, KeyedHash};
use woothee::parser::Parser;

use crate::text::SharedText;

/// Pseudonym of 32 bytes.
pub(crate) type Pseudonym = [u8; 32];

/// Length above which user agents are not parsed; the header may hold any text.
const USER_AGENT_MAX: usize = 1024;

/// Client of an ingest request in plain text. Only the values that [`Compliance`] derives from it are stored.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    /// `true` if the client asks not to be tracked (`Sec-GPC: 1` or `DNT: 1`).
    pub opted_out: bool,
}

impl Client {
    /// Makes a client of an address and the user agent as it was sent.
    pub(crate) fn new(ip: Option<IpAddr>, user_agent: Option<String>, opted_out: bool) -> Self {
        Self { ip, user_agent, opted_out }
    }
}

/// Values derived from a client that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Network of the address, /24 or /48 in CIDR notation; empty without an address.
    pub network: SharedText,
    /// Pseudonym of the address; zeros without one.
    pub ip_hash: Pseudonym,
    /// Family of the browser, e.g. `Firefox`; empty when unknown.
    pub agent: SharedText,
    /// Operating system, e.g. `Android`; empty when unknown.
    pub os: SharedText,
    /// `pc`, `smartphone`, `mobilephone`, `appliance`, `crawler`, `misc`; empty when unknown.
    pub device: SharedText,
}

/// Derives the values that may be stored from people and clients.
#[derive(Debug)]
pub(crate) struct Compliance {
    hash: KeyedHash,
}

impl Compliance {
    /// Makes pseudonyms with this key (`TELEMETRY_HASH_KEY`).
    pub(crate) fn new(key: Key32) -> Self {
        Self { hash: KeyedHash::new(key) }
    }

    /// Returns the pseudonym of a person in an organization. A person has a different pseudonym in each
    /// organization, so that nobody can tell across clinics that they are the same.
    pub(crate) fn actor(&self, organization_id: i64, user_id: i64) -> Pseudonym {
        self.pseudonym(&format!("actor:{organization_id}:{user_id}"))
    }

    /// Returns the values derived from `client` that may be stored.
    pub(crate) fn traces(&self, client: &Client) -> Traces {
        let agent = client.user_agent.as_deref().filter(|agent| agent.len() <= USER_AGENT_MAX);
        let parsed = agent.and_then(|agent| {
            let parsed = Parser::new().parse(agent)?;
            Some((family(parsed.name), family(parsed.os), family(parsed.category)))
        });
        let (agent, os, device) = parsed.unwrap_or_default();
        Traces {
            network: client.ip.map(network).unwrap_or_default().into(),
            ip_hash: client.ip.map_or([0; 32], |ip| self.pseudonym(&format!("ip:{ip}"))),
            agent: agent.into(),
            os: os.into(),
            device: device.into(),
        }
    }

    fn pseudonym(&self, value: &str) -> Pseudonym {
        self.hash.bytes(value)
    }
}

/// Returns the network of an address, too wide to identify a person.
fn network(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Turns the parser's word for an unknown value into an empty text.
fn family(name: &str) -> String {
    if name == "UNKNOWN" { String::new() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compliance() -> Compliance {
        Compliance::new(Key32::from_bytes([7; 32]))
    }

    fn client(ip: &str, user_agent: &str) -> Client {
        Client::new(ip.parse().ok(), Some(user_agent.to_owned()), false)
    }

    #[test]
    fn addresses_are_stored_as_networks() {
        assert_eq!(network("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1::/48");
    }

    #[test]
    fn pseudonyms_tell_people_and_clinics_apart() {
        let compliance = compliance();
        assert_eq!(compliance.actor(1, 7), compliance.actor(1, 7));
        assert_ne!(compliance.actor(1, 7), compliance.actor(1, 8), "another person");
        assert_ne!(compliance.actor(1, 7), compliance.actor(2, 7), "the same person in another clinic");
        let other_key = Compliance::new(Key32::from_bytes([8; 32]));
        assert_ne!(compliance.actor(1, 7), other_key.actor(1, 7), "another key");
    }

    #[test]
    fn user_agents_become_families() {
        let firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let traces = compliance().traces(&client("203.0.113.77", firefox));
        assert_eq!((&*traces.agent, &*traces.os, &*traces.device), ("Firefox", "Windows 10", "pc"));
        let nothing = compliance().traces(&client("", "restartix-sdk/0.1"));
        assert_eq!((&*nothing.agent, &*nothing.os, &*nothing.device), ("", "", ""));
        assert_eq!((&*nothing.network, nothing.ip_hash), ("", [0; 32]));
    }
}
