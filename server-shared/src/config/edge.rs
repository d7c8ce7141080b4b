//! Configuration of the network in front of both servers.

use std::time::Duration;

use url::Url;

use super::{Environment, ListItem, Setting, Settings};

/// Two years, which the HSTS preload lists require.
const TWO_YEARS: Duration = Duration::from_hours(2 * 365 * 24);

/// Largest factor for limits in production.
const SCALE_MAX: u32 = 10;

/// Idle time after which a connection is closed. It exceeds that of load balancers, so that they close first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Browsers and limits.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// `CORS_ALLOWED_ORIGINS`: web applications that may call from a browser; none by default
    pub cors_allowed_origins: Vec<Origin>,
    /// `HSTS_MAX_AGE`, default two years in production and none in development; `0s` is none
    pub hsts: Option<Duration>,
    /// `RATE_LIMIT_SCALE`, default 1: multiplies every limit
    pub rate_limit_scale: u32,
    /// `RATE_LIMIT_PER_ADDRESS`, default 6000: requests a minute from one address, before the scale
    pub rate_limit_per_address: u32,
    /// Limits on the number of connections, and on the time that they may wait
    pub connections: ConnectionConfig,
}

/// Connections.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// `CONNECTION_HEADER_TIMEOUT`, default 10s: longest time for the headers of a request
    pub header_timeout: Duration,
    /// `CONNECTION_IDLE_TIMEOUT`, default 75s: longest time of a connection without a request, and of an
    /// answer without being read
    pub idle_timeout: Duration,
    /// `CONNECTIONS_MAX`, default 10000: connections that are open at once
    pub max: usize,
    /// `CONNECTIONS_PER_ADDRESS`, default 200: those of one IPv4 address or IPv6 /64; trusted proxies are
    /// exempt
    pub per_address: usize,
}

impl EdgeConfig {
    /// Reads the variables.
    pub fn read(s: &mut Settings, environment: Environment) -> Option<Self> {
        let default_hsts = if environment.is_production() { TWO_YEARS } else { Duration::ZERO };
        let cors_allowed_origins = s.or("CORS_ALLOWED_ORIGINS", Vec::new());
        let hsts = s.or("HSTS_MAX_AGE", default_hsts);
        let rate_limit_scale = s.or("RATE_LIMIT_SCALE", 1);
        let rate_limit_per_address = s.or("RATE_LIMIT_PER_ADDRESS", 6000);
        for (name, value) in
            [("RATE_LIMIT_SCALE", rate_limit_scale), ("RATE_LIMIT_PER_ADDRESS", rate_limit_per_address)]
        {
            if value == Some(0) {
                s.fault(name, "at least 1");
            }
        }
        if environment.is_production() && rate_limit_scale.is_some_and(|scale| scale > SCALE_MAX) {
            s.fault("RATE_LIMIT_SCALE", format!("at most {SCALE_MAX}: more is no limit"));
        }
        let connections = ConnectionConfig::read(s);
        Some(Self {
            cors_allowed_origins: cors_allowed_origins?,
            hsts: hsts.map(|age| (!age.is_zero()).then_some(age))?,
            rate_limit_scale: rate_limit_scale?,
            rate_limit_per_address: rate_limit_per_address?,
            connections: connections?,
        })
    }
}

impl ConnectionConfig {
    fn read(s: &mut Settings) -> Option<Self> {
        let header_timeout = s.or("CONNECTION_HEADER_TIMEOUT", Duration::from_secs(10));
        let idle_timeout = s.or("CONNECTION_IDLE_TIMEOUT", IDLE_TIMEOUT);
        let max = s.or("CONNECTIONS_MAX", 10_000);
        let per_address = s.or("CONNECTIONS_PER_ADDRESS", 200);
        for (name, value) in [("CONNECTION_HEADER_TIMEOUT", header_timeout), ("CONNECTION_IDLE_TIMEOUT", idle_timeout)]
        {
            if value == Some(Duration::ZERO) {
                s.fault(name, "longer than nothing");
            }
        }
        for (name, value) in [("CONNECTIONS_MAX", max), ("CONNECTIONS_PER_ADDRESS", per_address)] {
            if value == Some(0) {
                s.fault(name, "at least 1");
            }
        }
        Some(Self {
            header_timeout: header_timeout?,
            idle_timeout: idle_timeout?,
            max: max?,
            per_address: per_address?,
        })
    }
}

/// A web origin, written as browsers do: scheme, host, and the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl Setting for Origin {
    const SHOULD_BE: &'static str = "an origin such as https://app.example.org, without a path";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        (bare && !text.contains('*')).then(|| Self(url.origin().ascii_serialization()))
    }
}

impl ListItem for Origin {
    const LIST_SHOULD_BE: &'static str = "a comma-separated list of origins such as https://app.example.org";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        let origin = |text: &str| Origin::parse(text).map(|origin| origin.0);
        assert_eq!(origin("https://app.example.org/").as_deref(), Some("https://app.example.org"));
        assert_eq!(origin("https://App.example.org:443").as_deref(), Some("https://app.example.org"));
        assert_eq!(origin("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        for wrong in ["*", "https://*.example.org", "https://example.org/app", "null", "ftp://example.org"] {
            assert_eq!(origin(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn browsers_are_held_to_tls_in_production() {
        let hsts = |environment, pairs: &[(&'static str, &'static str)]| {
            EdgeConfig::read(&mut Settings::from_pairs(pairs.iter().copied()), environment).unwrap().hsts
        };
        assert_eq!(hsts(Environment::Production, &[]), Some(TWO_YEARS));
        assert_eq!(hsts(Environment::Production, &[("HSTS_MAX_AGE", "0s")]), None);
        assert_eq!(hsts(Environment::Development, &[]), None);
        assert_eq!(hsts(Environment::Development, &[("HSTS_MAX_AGE", "1h")]), Some(Duration::from_hours(1)));
    }
}
