//! Types of configuration variables, and their parsing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::crypto::{Key32, WebhookSecret};
use crate::logging::LogLevel;

/// A type that a variable can be read as.
pub trait Setting: Sized {
    /// The end of the sentence "the variable should be …".
    const SHOULD_BE: &'static str;

    /// Reads a value that is neither empty nor surrounded by white space; `None` if it is malformed.
    fn parse(text: &str) -> Option<Self>;
}

/// Type of the items of a comma-separated list.
pub trait ListItem: Setting {
    /// The end of the sentence "the variable should be …", for the list.
    const LIST_SHOULD_BE: &'static str;
}

impl<T: ListItem> Setting for Vec<T> {
    const SHOULD_BE: &'static str = T::LIST_SHOULD_BE;

    fn parse(text: &str) -> Option<Self> {
        // An extra comma is no fault; a malformed item is.
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(T::parse).collect()
    }
}

/// Environment that the server runs in (`APP_ENV`). Development allows settings that production refuses at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// Real patients.
    #[default]
    Production,
    /// A developer's machine or a test run.
    Development,
}

impl Environment {
    /// Returns true if settings that are dangerous with real patients must be refused.
    pub fn is_production(self) -> bool {
        self == Self::Production
    }
}

impl Setting for Environment {
    const SHOULD_BE: &'static str = "production or development";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "production" => Some(Self::Production),
            "development" => Some(Self::Development),
            _ => None,
        }
    }
}

impl Setting for LogLevel {
    const SHOULD_BE: &'static str = "error, warn, info, debug or trace";

    fn parse(text: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
    }
}

impl Setting for String {
    const SHOULD_BE: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl ListItem for String {
    const LIST_SHOULD_BE: &'static str = "a comma-separated list";
}

impl Setting for SecretString {
    const SHOULD_BE: &'static str = "a secret";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl ListItem for SecretString {
    const LIST_SHOULD_BE: &'static str = "a comma-separated list of secrets";
}

impl Setting for PathBuf {
    const SHOULD_BE: &'static str = "the path of a file";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Setting for bool {
    const SHOULD_BE: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

/// Implements whole numbers without a sign: `+1` is refused, though Rust would parse it.
macro_rules! number {
    ($type:ty, $should_be:literal) => {
        impl Setting for $type {
            const SHOULD_BE: &'static str = $should_be;

            fn parse(text: &str) -> Option<Self> {
                if text.starts_with('+') { None } else { text.parse().ok() }
            }
        }
    };
}

number!(u16, "a whole number from 0 to 65535");
number!(u32, "a whole number from 0 to 4294967295");
number!(u64, "a whole number, 0 or more");
number!(usize, "a whole number, 0 or more");

impl Setting for Duration {
    const SHOULD_BE: &'static str = "a duration such as 250ms, 30s, 5m, 1h or 2d";

    fn parse(text: &str) -> Option<Self> {
        let unit = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = text.split_at(unit);
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(milliseconds).map(Self::from_millis)
    }
}

impl Setting for Url {
    const SHOULD_BE: &'static str = "an address with scheme and host, such as https://example.org";

    fn parse(text: &str) -> Option<Self> {
        // "localhost:9000" is a valid URL, of the scheme "localhost": hence the host.
        Self::parse(text).ok().filter(Url::has_host)
    }
}

impl Setting for Key32 {
    const SHOULD_BE: &'static str = "64 hexadecimal digits (openssl rand -hex 32)";

    fn parse(text: &str) -> Option<Self> {
        Self::from_hex(text)
    }
}

impl ListItem for Key32 {
    const LIST_SHOULD_BE: &'static str = "a comma-separated list of keys of 64 hexadecimal digits";
}

impl Setting for WebhookSecret {
    const SHOULD_BE: &'static str = "a webhook's secret, as the sender shows it: whsec_ and base64";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Setting for IpNet {
    const SHOULD_BE: &'static str = "a network such as 10.0.0.0/8, or an address";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
    }
}

impl ListItem for IpNet {
    const LIST_SHOULD_BE: &'static str = "a comma-separated list of networks such as 10.0.0.0/8";
}
