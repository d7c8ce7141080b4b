//! Reports of both servers on a wrong configuration: all faults at once, by the name of the variable, without any
//! value.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Stdio},
};

use test_support::{CoreApp, Stack, TelemetryApp};

/// Value that is invalid for every variable except those of free text.
const PLANTED: &str = "planted-c0ffee";

/// Server, and the source of its configuration.
struct Subject {
    name: &'static str,
    sources: &'static [&'static str],
    /// Variables whose value can be malformed; a variable of free text can only be missing.
    malformed: &'static [&'static str],
}

/// Source of the settings that both servers read.
const EDGE: &str = include_str!("../../../server-shared/src/config/edge.rs");

const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "server-core",
        sources: &[include_str!("../../src/config.rs"), EDGE],
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
        sources: &[
            include_str!("../../../server-telemetry/src/config.rs"),
            include_str!("../../../server-telemetry/src/config/security.rs"),
            EDGE,
        ],
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
    /// Returns its sources without their unit tests.
    fn code(&self) -> impl Iterator<Item = &'static str> {
        self.sources.iter().map(|source| source.split("#[cfg(test)]").next().unwrap())
    }

    /// Returns the names in its sources that look like variables.
    fn variables(&self) -> BTreeSet<&'static str> {
        let quoted = self.code().flat_map(|source| source.split('"').skip(1).step_by(2));
        let name = |text: &&str| {
            text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        quoted.filter(name).collect()
    }

    /// Returns the required variables.
    fn required(&self) -> BTreeSet<&'static str> {
        let calls = self.code().flat_map(|source| source.split("required").skip(1));
        let quoted = calls.filter_map(|call| call.split('\n').next()?.split('"').nth(1));
        let variables = self.variables();
        quoted.filter(|name| variables.contains(name)).collect()
    }

    /// Starts the server with these variables alone and asserts that it refuses to run; returns all its output.
    fn refuse(&self, environment: &[(&str, String)]) -> String {
        let mut command = Command::new(Stack::get().binary(self.name));
        command.arg("serve").env_clear().stdin(Stdio::null());
        // No `restartix.toml` is read here; the checkout may contain a developer's.
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
    let example: BTreeSet<_> = pairs(EXAMPLE).into_iter().map(|(name, _)| name).collect();
    for subject in SUBJECTS {
        let missing: Vec<_> = subject.variables().into_iter().filter(|name| !example.contains(*name)).collect();
        assert_eq!(missing, [] as [&str; 0], "variables of {} that .env.example does not have", subject.name);
    }
    let known: BTreeSet<_> = SUBJECTS.iter().flat_map(Subject::variables).collect();
    let stray: Vec<_> =
        example.iter().filter(|name| !known.contains(*name) && !COMPOSE.contains(&format!("${{{name}:-"))).collect();
    assert_eq!(stray, [] as [&&str; 0], "variables of .env.example that nobody reads");
}

const EXAMPLE: &str = include_str!("../../../.env.example");
const COMPOSE: &str = include_str!("../../../docker-compose.yml");

/// Variables that `docker-compose.yml` sets for containers itself, whatever `.env` says.
const FIXED: [&str; 10] = [
    "HOST",
    "PORT",
    "DATABASE_URL",
    "DATABASE_APP_URL",
    "REDIS_URL",
    "TELEMETRY_INTERNAL_URL",
    "TELEMETRY_DATABASE_URL",
    "TELEMETRY_DATABASE_APP_URL",
    "CLICKHOUSE_URL",
    "CORE_JWKS_URL",
];
/// Variables for processes that share a file system with the process that waits for them.
const NO_CONTAINERS: [&str; 1] = ["PORT_FILE"];

/// Returns the indented lines below this line of the compose file.
fn block(first: &str) -> Vec<&'static str> {
    let mut lines = COMPOSE.lines().skip_while(|line| line.trim() != first);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = indent(lines.next().unwrap_or_else(|| panic!("docker-compose.yml has no `{first}`")));
    lines.take_while(|line| line.trim().is_empty() || indent(line) > depth).collect()
}

#[test]
fn compose_passes_every_variable_on() {
    let both = block("x-both: &both");
    for (subject, first) in SUBJECTS.iter().zip(["core-migrate: &core", "telemetry-migrate: &telemetry"]) {
        let own = block(first);
        assert!(own.iter().any(|line| line.trim() == "<<: *both"), "{first} takes what both have");
        let passed: Vec<_> = both.iter().chain(&own).filter_map(|line| line.trim().split_once(": ")).collect();
        for name in subject.variables().into_iter().filter(|name| !NO_CONTAINERS.contains(name)) {
            let value = passed.iter().find(|(passed, _)| *passed == name).map(|(_, value)| *value);
            let value = value.unwrap_or_else(|| panic!("docker-compose.yml drops {name} of {}", subject.name));
            let own = value.trim_matches('\'').starts_with(&format!("${{{name}:-"));
            assert!(own || FIXED.contains(&name), "{name} of {} is {value}, whatever .env says", subject.name);
        }
    }
}

/// Returns the pairs of name and value of a file, including those in comments, with defaults substituted. It does not
/// use the parser of the servers, because that is under test.
fn pairs(file: &'static str) -> Vec<(&'static str, String)> {
    let is_name =
        |text: &&str| text.len() > 2 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let of_line = |line: &'static str| {
        let line = line.trim_start_matches(['#', ' ']);
        let end = line.find(['=', ':'])?;
        let name = Some(&line[..end]).filter(is_name)?;
        let mut value = line[end + 1..].trim().trim_matches('\'').to_owned();
        while let Some((start, end)) =
            value.find("${").and_then(|start| Some((start, start + value[start..].find('}')?)))
        {
            let default = value[start..end].split_once(":-").map_or("", |(_, default)| default).to_owned();
            value.replace_range(start..=end, &default);
        }
        Some((name, value))
    };
    file.lines().filter_map(of_line).collect()
}

/// Variables that hold no secret and identify nobody: production accepts their published values.
const HARMLESS: [&str; 16] = [
    "APP_ENV",
    "HOST",
    "LOG_LEVEL",
    "TRUSTED_PROXIES",
    "RATE_LIMIT_SCALE",
    "RATE_LIMIT_PER_ADDRESS",
    "REDIS_URL",
    "CLERK_API_URL",
    "TELEMETRY_INTERNAL_URL",
    "AWS_REGION",
    "AWS_BUCKET_NAME",
    "S3_ENDPOINT",
    "DAILY_REST_DOMAIN",
    "CORE_JWKS_URL",
    "CORE_ISSUER",
    "AUDIT_RETENTION_MONTHS",
];
/// Endings of the names of further harmless variables: lengths of time, counts and limits.
const MEASURES: [&str; 9] =
    ["_TIMEOUT", "_AGE", "_MIN", "_MAX", "_LIFETIME", "_TIME", "_DAYS", "_SETTLE", "CONNECTIONS_PER_ADDRESS"];

fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
        || name.starts_with("SECURITY_")
        || name.starts_with("PORT")
        || MEASURES.iter().any(|end| name.ends_with(end))
}

impl Subject {
    /// Returns an environment that production accepts, except for its port, so that no server is ever started.
    fn production(&self) -> BTreeMap<&'static str, String> {
        let stack = Stack::get();
        let environment = if self.name == "server-core" { &stack.env.core } else { &stack.env.telemetry };
        let chance = || format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut environment: BTreeMap<_, _> =
            self.variables().into_iter().filter_map(|name| Some((name, environment.get(name)?.clone()))).collect();
        for (name, value) in [
            ("APP_ENV", "production".to_owned()),
            ("PORT", "none".to_owned()),
            ("RATE_LIMIT_SCALE", "1".to_owned()),
            ("CLERK_ISSUER", "https://clerk.clinic.example".to_owned()),
            ("CLERK_AUTHORIZED_PARTIES", "https://app.clinic.example".to_owned()),
            ("CORS_ALLOWED_ORIGINS", "https://app.clinic.example".to_owned()),
            ("CLERK_SECRET_KEY", format!("sk_live_{}", chance())),
            ("METRICS_TOKEN", chance()),
            ("TELEMETRY_INTERNAL_TOKEN", chance()),
            ("ERASURE_SETTLE", "3m".to_owned()),
        ] {
            environment.insert(name, value);
        }
        for (_, value) in environment.iter_mut().filter(|(name, _)| name.contains("DATABASE")) {
            let mut url = url::Url::parse(value).expect("the stack's databases have URLs");
            url.set_password(Some(&chance())).expect("the URL has a host");
            *value = url.into();
        }
        environment
    }

    /// Returns the variables that production reports when these are set.
    fn refuses(&self, wrong: &[(&'static str, &str)]) -> BTreeSet<String> {
        let mut environment = self.production();
        environment.extend(wrong.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let environment: Vec<_> = environment.into_iter().collect();
        let said = self.refuse(&environment);
        for (_, value) in wrong.iter().filter(|(_, value)| value.len() > 8) {
            assert!(!said.contains(value), "{} repeats {value}", self.name);
        }
        named(&said).into_iter().filter(|name| *name != "PORT").map(str::to_owned).collect()
    }
}

#[test]
fn production_refuses_every_published_value() {
    for subject in SUBJECTS {
        assert_eq!(subject.refuses(&[]), BTreeSet::new(), "{} takes values of one's own", subject.name);
        let variables = subject.variables();
        let published = [EXAMPLE, COMPOSE].into_iter().flat_map(pairs);
        let tried: BTreeSet<_> = published
            .filter(|(name, value)| variables.contains(name) && !is_harmless(name) && !value.is_empty())
            .collect();
        assert!(tried.len() >= 8, "the files are read: {tried:?}");
        for (name, value) in &tried {
            let refused = subject.refuses(&[(*name, value.as_str())]);
            assert_eq!(refused, BTreeSet::from([(*name).to_owned()]), "{} takes {name}={value}", subject.name);
        }
    }
}

#[test]
fn production_refuses_what_is_fit_for_one_machine_only_all_at_once() {
    let [core, telemetry] = SUBJECTS;
    let wrong = [
        ("RATE_LIMIT_SCALE", "10000"),
        ("METRICS_TOKEN", "hello"),
        ("TELEMETRY_INTERNAL_TOKEN", "hello-hello-hello-hello-hello-hello"),
        ("CORS_ALLOWED_ORIGINS", "https://app.clinic.example,http://app.clinic.example"),
        ("CLERK_ISSUER", "http://clerk.clinic.example"),
        ("CLERK_JWKS_URL", "http://clerk.clinic.example/.well-known/jwks.json"),
        ("CLERK_API_URL", "http://api.clerk.example"),
        ("CLERK_AUTHORIZED_PARTIES", ""),
        ("DATABASE_APP_URL", "postgres://restartix@database.clinic.example/restartix"),
        ("DATABASE_URL", "postgres://restartix@database.clinic.example:5432/restartix"),
        ("ENCRYPTION_KEY", "abababababababababababababababababababababababababababababababab"),
        ("S3_ENDPOINT", "http://s3.clinic.example"),
        ("TELEMETRY_INTERNAL_URL", "http://telemetry.clinic.example"),
        ("DAILY_REST_DOMAIN", "http://api.daily.example"),
    ];
    let expected = wrong.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != "DATABASE_URL").collect();
    assert_eq!(core.refuses(&wrong), expected);
    assert_eq!(
        core.refuses(&[("CLERK_ISSUER", "https://localhost:8443")]),
        BTreeSet::from(["CLERK_ISSUER".to_owned()])
    );

    let wrong = [
        ("RATE_LIMIT_SCALE", "11"),
        ("METRICS_TOKEN", "hello"),
        ("TELEMETRY_INTERNAL_TOKEN", "a-token-of-30-characters-only!"),
        ("CORE_JWKS_URL", "http://core.clinic.example/.well-known/jwks.json"),
        ("CLICKHOUSE_URL", "http://restartix:Zm9v@clickhouse.clinic.example:8123/restartix"),
        ("TELEMETRY_DATABASE_URL", "postgres://restartix_telemetry@database.clinic.example/restartix"),
        ("TELEMETRY_DATABASE_APP_URL", "postgres://restartix_telemetry@database.clinic.example:5432/restartix"),
    ];
    let expected =
        wrong.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != "TELEMETRY_DATABASE_URL").collect();
    assert_eq!(telemetry.refuses(&wrong), expected);
}

#[tokio::test]
async fn the_owner_of_the_tables_serves_nobody() {
    let mut app = CoreApp::start().await;
    app.server.stop().await;
    app.server.environment_set("DATABASE_APP_URL", app.database.owner_url());
    assert!(!app.server.fail().await.success());
    assert!(app.server.log().contains("row-level security does not bind the role of DATABASE_APP_URL"));
}

#[tokio::test]
async fn the_owner_of_telemetrys_tables_serves_nobody() {
    let mut app = TelemetryApp::start().await;
    app.server.stop().await;
    app.server.environment_set("TELEMETRY_DATABASE_APP_URL", app.database.owner_url());
    assert!(!app.server.fail().await.success());
    assert!(app.server.log().contains("row-level security does not bind the role of TELEMETRY_DATABASE_APP_URL"));
}
