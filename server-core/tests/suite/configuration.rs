//! What both servers say of a wrong configuration: everything at once, by name, and no value.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use test_support::Stack;

/// Values that are nothing a variable can be, but for those of free text.
const PLANTED: &str = "planted-c0ffee";

/// A server and the source of its configuration.
struct Subject {
    name: &'static str,
    source: &'static str,
    /// What can be wrong by itself; a variable that is any text can only be missing.
    malformed: &'static [&'static str],
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "server-core",
        source: include_str!("../../src/config.rs"),
        malformed: &[
            "APP_ENV",
            "PORT",
            "LOG_LEVEL",
            "TRUSTED_PROXIES",
            "REQUEST_TIMEOUT",
            "SHUTDOWN_TIMEOUT",
            "DATABASE_URL",
            "DATABASE_APP_URL",
            "DB_POOL_MIN",
            "DB_POOL_MAX",
            "DB_ACQUIRE_TIMEOUT",
            "DB_POOL_MAX_CONN_LIFETIME",
            "DB_POOL_MAX_CONN_IDLE_TIME",
            "CLERK_ISSUER",
            "CLERK_JWKS_URL",
            "CLERK_JWT_KEY",
            "ENCRYPTION_KEY",
            "ENCRYPTION_KEYS_OLD",
            "BLIND_INDEX_KEY",
            "TELEMETRY_INTERNAL_URL",
            "TELEMETRY_TOKEN_KEY",
            "S3_ENDPOINT",
            "DAILY_REST_DOMAIN",
            "REDIS_URL",
        ],
    },
    Subject {
        name: "server-telemetry",
        source: include_str!("../../../server-telemetry/src/config.rs"),
        malformed: &[
            "APP_ENV",
            "PORT",
            "LOG_LEVEL",
            "TRUSTED_PROXIES",
            "REQUEST_TIMEOUT",
            "SHUTDOWN_TIMEOUT",
            "TELEMETRY_DATABASE_URL",
            "TELEMETRY_DATABASE_APP_URL",
            "DB_POOL_MIN",
            "DB_POOL_MAX",
            "DB_ACQUIRE_TIMEOUT",
            "CLICKHOUSE_URL",
            "REDIS_URL",
            "TELEMETRY_HASH_KEY",
            "CORE_JWKS_URL",
        ],
    },
];

impl Subject {
    /// The names in its source that look like variables, before its unit tests.
    fn variables(&self) -> BTreeSet<&'static str> {
        let source = self.source.split("#[cfg(test)]").next().unwrap();
        let quoted = source.split('"').skip(1).step_by(2);
        let name = |text: &&str| {
            text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        quoted.filter(name).collect()
    }

    /// The variables that must be there.
    fn required(&self) -> BTreeSet<&'static str> {
        let calls = self.source.split("required").skip(1);
        let quoted = calls.filter_map(|call| call.split('\n').next()?.split('"').nth(1));
        let variables = self.variables();
        quoted.filter(|name| variables.contains(name)).collect()
    }

    /// Starts it with these variables alone; what it says, all of it.
    fn refuse(&self, environment: &[(&str, String)]) -> String {
        let mut command = Command::new(Stack::get().binary(self.name));
        command.arg("serve").env_clear().stdin(Stdio::null());
        // Nobody's file is read: the checkout may hold a developer's.
        command.current_dir(std::env::temp_dir());
        command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
        let output = command.output().expect("the server's program runs");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(2), "{}: {said}", self.name);
        said
    }
}

fn named(said: &str) -> BTreeSet<&str> {
    said.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect()
}

#[test]
fn every_malformed_variable_is_named_at_once_and_no_value_is_shown() {
    for subject in SUBJECTS {
        let variables = subject.variables();
        assert!(variables.len() >= 20, "the source is read: {variables:?}");
        let planted: Vec<_> = variables.iter().map(|name| (*name, format!("{PLANTED}-{name}"))).collect();
        let said = subject.refuse(&planted);
        assert!(!said.contains(PLANTED), "{} repeats a value: {said}", subject.name);
        let named = named(&said);
        let silent: Vec<_> = subject.malformed.iter().filter(|name| !named.contains(*name)).collect();
        assert_eq!(silent, [] as [&&str; 0], "{} takes these as they are: {said}", subject.name);
        assert!(named.is_subset(&variables), "{said}");
    }
}

#[test]
fn a_secret_inside_of_an_address_is_not_shown_either() {
    for subject in SUBJECTS {
        let addresses = subject.variables().into_iter().filter(|name| name.ends_with("URL"));
        let planted: Vec<_> = addresses.map(|name| (name, format!("redis://user:{PLANTED}@host:port/x"))).collect();
        assert!(!subject.refuse(&planted).contains(PLANTED), "{} shows a password", subject.name);
    }
}

#[test]
fn every_missing_variable_is_named_at_once() {
    for subject in SUBJECTS {
        let required = subject.required();
        assert!(required.len() >= 6, "the source is read: {required:?}");
        let said = subject.refuse(&[]);
        let silent: Vec<_> = required.difference(&named(&said)).copied().collect();
        assert_eq!(silent, [] as [&str; 0], "{} does not miss these: {said}", subject.name);
    }
}

#[test]
fn every_variable_is_in_the_example() {
    let example = include_str!("../../../.env.example");
    for subject in SUBJECTS {
        let missing: Vec<_> = subject
            .variables()
            .into_iter()
            .filter(|name| !example.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name}="))))
            .collect();
        assert_eq!(missing, [] as [&str; 0], "variables of {} that .env.example does not have", subject.name);
    }
}
