//! Checks that every service makes in production.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use url::{Host, Url};

use super::Settings;

/// Files of the repository that hold example secrets, read while the program is built, so that each release refuses
/// the secrets that it publishes.
const PUBLISHED: [&str; 2] = [include_str!("../../../.env.example"), include_str!("../../../docker-compose.yml")];
/// Passwords of the roles in `deploy/postgres/init`, which are their names.
const PASSWORDS: [&str; 5] =
    ["postgres", "restartix", "restartix_app", "restartix_telemetry", "restartix_telemetry_app"];

/// Fewest characters of a secret between machines; a shorter one can be guessed.
const SECRET_MIN: usize = 32;
/// Fewest different bytes of a key. A random key of 32 bytes repeats few of them, and random hexadecimal digits include
/// most of the digits; a typed key does neither.
const DIFFERENT_BYTES_MIN: usize = 12;
const DIFFERENT_LETTERS_MIN: usize = 8;

/// Returns true if the value of the variable is a secret of the operator.
fn is_secret(name: &str) -> bool {
    // Former keys only open existing ciphertexts, which would be lost without them. CLERK_JWT_KEY is a public key.
    let harmless = name.ends_with("_OLD") || name == "CLERK_JWT_KEY";
    !harmless && ["KEY", "SECRET", "TOKEN", "PASSWORD", "PEPPER"].iter().any(|word| name.contains(word))
}

/// Secrets in the published files.
static SECRETS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut secrets: BTreeSet<String> = PASSWORDS.map(str::to_owned).into();
    for (name, value) in PUBLISHED.into_iter().flat_map(pairs) {
        if is_secret(&name) {
            secrets.extend(items(&value));
        } else if let Some(password) = password(&value) {
            secrets.insert(password);
        }
    }
    secrets
});

/// Addresses of identity providers in the published files.
static ISSUERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let pairs = PUBLISHED.into_iter().flat_map(pairs);
    pairs.filter(|(name, _)| name == "CLERK_ISSUER").map(|(_, value)| plain(&value)).collect()
});

/// Returns the variables of an example (`NAME=value`, commented or not) or of a compose file (`NAME: value`), with
/// their values. A variable without a value is left out.
fn pairs(file: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in file.lines() {
        let line = line.trim().trim_start_matches("# ");
        let Some((name, value)) = line.split_once(['=', ':']) else { continue };
        let is_name = name.len() > 2 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let value = defaulted(value.trim().trim_matches(['\'', '"']));
        if is_name && !value.is_empty() {
            pairs.push((name.to_owned(), value));
        }
    }
    pairs
}

/// Replaces each `${NAME:-default}` by the default.
fn defaulted(value: &str) -> String {
    let Some((before, rest)) = value.split_once("${") else { return value.to_owned() };
    let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
    let default = inside.split_once(":-").map_or("", |(_, default)| default);
    format!("{before}{default}{}", defaulted(after))
}

/// Returns the form of a value that is compared, regardless of the line breaks of a PEM, the case of a hexadecimal key
/// and the end of an address.
fn plain(value: &str) -> String {
    let text: String = value.replace("\\n", "").chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex { text.to_ascii_lowercase() } else { text.trim_end_matches('/').to_owned() }
}

/// Returns the items of a list; a value that is no list is its own only item.
fn items(value: &str) -> Vec<String> {
    value.split(',').map(plain).filter(|item| !item.is_empty()).collect()
}

/// Returns the password in an address.
fn password(value: &str) -> Option<String> {
    let url = Url::parse(value).ok()?;
    let pair = format!("v={}", url.password()?.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, password)| password.into_owned())
}

/// Returns true if a URL names this machine, a private address or a host without a public name (as in a compose
/// network).
pub fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".internal"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        None => false,
    }
}

/// Returns true if others than the operator can read requests to a URL: plain HTTP to a host that is not private.
fn is_open(url: &Url) -> bool {
    url.scheme() == "http" && !is_private(url)
}

/// Checks of production on the variables that were read. They come last, because they see only variables that were read
/// before.
pub struct Production<'a>(&'a mut Settings);

impl Settings {
    /// Begins the checks of production.
    pub fn production(&mut self) -> Production<'_> {
        Production(self)
    }
}

impl Production<'_> {
    /// Refuses secrets that stand in the repository, and keys that were typed.
    pub fn secrets(&mut self) -> &mut Self {
        let read: Vec<_> = self.0.read().collect();
        for name in read {
            let Some(value) = self.0.text(name) else { continue };
            let published = if is_secret(name) {
                items(value).iter().any(|item| SECRETS.contains(item))
            } else {
                password(value).is_some_and(|password| SECRETS.contains(&password))
            };
            let typed = is_secret(name)
                && hex::decode(value).is_ok_and(|key| key.len() == 32 && different(&key) < DIFFERENT_BYTES_MIN);
            if published {
                self.0.fault(name, "a secret of your own: this one is published with the source code");
            } else if typed {
                self.0.fault(name, "made by chance (openssl rand -hex 32), which this one is not");
            }
        }
        self
    }

    /// Requires at least 32 characters of these variables if they are set; of each item if they are lists.
    pub fn long(&mut self, names: &[&'static str]) -> &mut Self {
        for &name in names {
            let value = self.0.text(name).map(items).unwrap_or_default();
            let guessed = |item: &String| item.len() < SECRET_MIN || different(item.as_bytes()) < DIFFERENT_LETTERS_MIN;
            if value.iter().any(guessed) {
                self.0.fault(name, format!("at least {SECRET_MIN} characters, made by chance (openssl rand -hex 32)"));
            }
        }
        self
    }

    /// Requires that these addresses are reached by TLS, or within the operator's own network.
    pub fn sheltered(&mut self, names: &[&'static str]) -> &mut Self {
        for &name in names {
            if self.0.text(name).and_then(|value| Url::parse(value).ok()).is_some_and(|url| is_open(&url)) {
                self.0.fault(name, "an https URL (http only to a private address)");
            }
        }
        self
    }

    /// Requires TLS of these lists of web origins.
    pub fn browsed(&mut self, names: &[&'static str]) -> &mut Self {
        for &name in names {
            let value = self.0.text(name).map(items).unwrap_or_default();
            if value.iter().any(|item| item.starts_with("http://")) {
                self.0.fault(name, "https origins alone");
            }
        }
        self
    }

    /// Requires that the issuer of people's tokens is a public address with TLS, and no placeholder.
    pub fn issuer(&mut self, name: &'static str) -> &mut Self {
        let Some(value) = self.0.text(name) else { return self };
        let own = Url::parse(value).is_ok_and(|url| url.scheme() == "https" && !is_private(&url));
        if !own || ISSUERS.contains(&plain(value)) {
            self.0.fault(name, "the https address of your own instance: whoever has the issuer's keys is everybody");
        }
        self
    }
}

fn different(bytes: &[u8]) -> usize {
    bytes.iter().collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn faults(pairs: &[(&'static str, &str)]) -> String {
        let mut settings = Settings::from_pairs(pairs.iter().map(|(name, value)| (*name, *value)));
        for (name, _) in pairs {
            settings.optional::<SecretString>(name);
        }
        settings.production().secrets();
        settings.finish(|| Some(())).map_or_else(|faults| faults.to_string(), |()| String::new())
    }

    #[test]
    fn files_are_read_as_shells_and_compose_read_them() {
        let read = pairs(
            "# A sentence: no variable.\n# PORT=9000\nEMPTY=\n  KEY: '${KEY:-----a\\nb----}'\n URL: http://u:${P:-x}@h/d\n",
        );
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("PORT", "9000"), ("KEY", "----a\\nb----"), ("URL", "http://u:x@h/d")]);
    }

    #[test]
    fn a_published_secret_is_known_however_it_is_written() {
        assert!(SECRETS.len() >= 12, "the files are read: {}", SECRETS.len());
        for (name, value) in [
            ("ENCRYPTION_KEY", "0000000000000000000000000000000000000000000000000000000000000001"),
            ("TELEMETRY_INTERNAL_TOKEN", "f3a9f1d06c6f4ab58cbb59c2e4b1a1b7, development-internal-token"),
            ("AWS_SECRET_ACCESS_KEY", "restartix-development"),
            ("DATABASE_URL", "postgres://owner:restartix_app@db.example.org/restartix"),
            (
                "TELEMETRY_TOKEN_KEY",
                "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIF+ZBhPCxvE9tQMjvziF6w2UUqmWF+yYD2uQLj3YmKPc\n-----END PRIVATE KEY-----\n",
            ),
        ] {
            assert!(faults(&[(name, value)]).starts_with(name), "{name}");
        }
        assert_eq!(
            faults(&[("ENCRYPTION_KEYS_OLD", "0000000000000000000000000000000000000000000000000000000000000001")]),
            ""
        );
        assert_eq!(faults(&[("DATABASE_URL", "postgres://restartix:Zm9v@db.example.org/restartix")]), "");
    }

    #[test]
    fn a_key_that_was_typed_is_told_from_one_of_chance() {
        assert!(faults(&[("BLIND_INDEX_KEY", &"ab".repeat(32))]).contains("by chance"));
        assert_eq!(
            faults(&[("BLIND_INDEX_KEY", "7c1e1f0f5b0f4c7a9d2e8b6a3f5d4c2b1a09f8e7d6c5b4a392817f6e5d4c3b2a")]),
            ""
        );
    }
}
