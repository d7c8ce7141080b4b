//! Variables of the service with their defaults and checks, one struct for each concern.

mod security;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bb8_redis::redis::IntoConnectionInfo as _;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use server_shared::{
    config::{ConfigFaults, EdgeConfig, Environment, Settings},
    crypto::Key32,
    logging::LogLevel,
    token::{Ed25519Signer, Statements},
};
use sqlx::postgres::PgConnectOptions;
use url::Url;

pub(crate) use security::{Limit, SecurityConfig};

/// Least length of a service token; shorter ones can be guessed.
const SERVICE_TOKEN_MIN: usize = 16;

/// Default of `ERASURE_SETTLE`, unless [`settle_least`] is longer.
const ERASURE_SETTLE: Duration = Duration::from_mins(3);

/// Longest time for which the cache keeps a person's consent.
pub(crate) const CONSENT_LIFETIME: Duration = Duration::from_secs(30);

/// Longest time that a writer spends on a batch, retries included.
const BATCH_TRIES: Duration = Duration::from_secs(90);

/// Returns the least time after which no row that was admitted before an erasure began can still arrive. An
/// instance that misses the message keeps a consent in its cache for [`CONSENT_LIFETIME`]; a request that it
/// admits at the end of that may run until its timeout; and the batch with its rows may take all its retries.
/// With a shorter time a row could be stored after the last step of the erasure, and remain.
fn settle_least(request_timeout: Duration) -> Duration {
    CONSENT_LIFETIME.saturating_add(request_timeout).saturating_add(BATCH_TRIES)
}

/// Configuration of `serve`.
#[derive(Debug)]
pub(crate) struct Config {
    pub server: ServerConfig,
    /// Settings for browsers and limits.
    pub edge: EdgeConfig,
    pub auth: AuthConfig,
    pub postgres: PostgresConfig,
    pub clickhouse: ClickHouseConfig,
    /// `REDIS_URL`.
    pub redis_url: SecretString,
    /// `TELEMETRY_HASH_KEY`: key of the pseudonyms.
    pub hash_key: Key32,
    /// `ERASURE_SETTLE`: time after the start of an erasure during which rows may still arrive.
    pub erasure_settle: Duration,
    pub audit: AuditConfig,
    /// Limits of the security rules.
    pub security: SecurityConfig,
}

/// Configuration of the audit trail.
#[derive(Debug)]
pub(crate) struct AuditConfig {
    /// `AUDIT_HEAD_KEY`, which signs the head of each day, and `AUDIT_HEAD_KEYS_OLD`, its predecessors.
    pub statements: Arc<Statements>,
    /// `AUDIT_RETENTION_MONTHS`: number of whole months that are kept beside the current one; `None` keeps all of
    /// them.
    pub kept: Option<u16>,
}

/// Configuration of the HTTP server.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    /// `HOST`: address on which the server listens.
    pub host: String,
    /// `PORT`: port on which the server listens; 0 picks a free one.
    pub port: u16,
    /// `PORT_FILE`: file to which the server writes `host:port` once it accepts requests.
    pub port_file: Option<PathBuf>,
    /// `LOG_LEVEL`.
    pub log_level: LogLevel,
    /// `TRUSTED_PROXIES`: networks of the proxies in front of the server.
    pub trusted_proxies: Vec<IpNet>,
    /// `METRICS_TOKEN`: bearer token for `/metrics`, which answers 404 without it.
    pub metrics_token: Option<SecretString>,
    /// `REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT`: time for requests under way, and the same again for jobs.
    pub shutdown_timeout: Duration,
}

/// Configuration of the accepted credentials.
#[derive(Debug)]
pub(crate) struct AuthConfig {
    /// `CORE_JWKS_URL`: address at which Core publishes the keys of telemetry tokens.
    pub core_jwks_url: Url,
    /// `CORE_ISSUER`: `iss` of those tokens.
    pub core_issuer: String,
    /// `TELEMETRY_INTERNAL_TOKEN`: tokens that Core may send; two during a rotation.
    pub service_tokens: Vec<SecretString>,
}

/// Configuration of PostgreSQL.
#[derive(Debug)]
pub(crate) struct PostgresConfig {
    /// `TELEMETRY_DATABASE_URL`: connection as the role that owns the tables.
    pub owner_url: SecretString,
    /// `TELEMETRY_DATABASE_APP_URL`: connection as the role that serves people's requests.
    pub app_url: SecretString,
    /// `DB_POOL_MIN`: connections that each pool keeps open.
    pub pool_min: u32,
    /// `DB_POOL_MAX`: most connections of each pool.
    pub pool_max: u32,
    /// `DB_ACQUIRE_TIMEOUT`: longest time that a request waits for a connection.
    pub acquire_timeout: Duration,
}

/// Configuration of ClickHouse.
#[derive(Debug)]
pub(crate) struct ClickHouseConfig {
    /// Address in `CLICKHOUSE_URL` without user, password and database.
    pub url: Url,
    /// Database: the path of `CLICKHOUSE_URL`.
    pub database: String,
    /// User in `CLICKHOUSE_URL`.
    pub user: Option<String>,
    /// Password in `CLICKHOUSE_URL`.
    pub password: Option<SecretString>,
    /// `CLICKHOUSE_CLUSTER`: cluster on which replicated tables are created.
    pub cluster: Option<String>,
}

/// Configuration of `migrate`.
#[derive(Debug)]
pub(crate) struct MigrateConfig {
    pub log_level: LogLevel,
    pub postgres: PostgresConfig,
    pub clickhouse: ClickHouseConfig,
    pub retention: RetentionConfig,
}

/// Number of days for which ClickHouse keeps rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetentionConfig {
    /// `ANALYTICS_TTL_DAYS`: for analytics events.
    pub events: u32,
    /// `MEDIA_SESSION_TTL_DAYS`: for media sessions.
    pub sessions: u32,
    /// `MEDIA_SAMPLE_TTL_DAYS`: for bandwidth samples.
    pub samples: u32,
    /// `POSE_TTL_DAYS`: for frames of body landmarks.
    pub frames: u32,
}

impl Config {
    /// Reads all variables, or reports every fault among them.
    pub(crate) fn load(mut settings: Settings) -> Result<Self, ConfigFaults> {
        let environment = settings.or("APP_ENV", Environment::default());
        let server = server(&mut settings);
        let edge = EdgeConfig::read(&mut settings, environment.unwrap_or_default());
        let auth = auth(&mut settings);
        let postgres = postgres(&mut settings, environment);
        let clickhouse = clickhouse(&mut settings);
        let redis_url = settings.required::<SecretString>("REDIS_URL");
        if redis_url.as_ref().is_some_and(|url| url.expose_secret().into_connection_info().is_err()) {
            settings.fault("REDIS_URL", "an address such as redis://:password@host:6379/0");
        }
        let hash_key = settings.required("TELEMETRY_HASH_KEY");
        let audit = audit(&mut settings);
        let security = SecurityConfig::read(&mut settings);
        // A missing timeout is reported already; this setting is checked all the same.
        let request_timeout = server.as_ref().map_or(Duration::ZERO, |server| server.request_timeout);
        let erasure_settle = settle(&mut settings, environment, request_timeout);
        if environment.is_some_and(Environment::is_production) {
            settings
                .production()
                .secrets()
                .long(&["METRICS_TOKEN", "TELEMETRY_INTERNAL_TOKEN"])
                .sheltered(&["CORE_JWKS_URL", "CLICKHOUSE_URL"])
                .browsed(&["CORS_ALLOWED_ORIGINS"]);
        }
        settings.finish(|| {
            Some(Self {
                server: server?,
                edge: edge?,
                auth: auth?,
                postgres: postgres?,
                clickhouse: clickhouse?,
                redis_url: redis_url?,
                hash_key: hash_key?,
                audit: audit?,
                security: security?,
                erasure_settle: erasure_settle?,
            })
        })
    }
}

impl MigrateConfig {
    /// Reads all variables, or reports every fault among them.
    pub(crate) fn load(mut settings: Settings) -> Result<Self, ConfigFaults> {
        let environment = settings.or("APP_ENV", Environment::default());
        let log_level = settings.or("LOG_LEVEL", LogLevel::default());
        let postgres = postgres(&mut settings, environment);
        let clickhouse = clickhouse(&mut settings);
        let events = days(&mut settings, "ANALYTICS_TTL_DAYS", 730);
        let sessions = days(&mut settings, "MEDIA_SESSION_TTL_DAYS", 730);
        let samples = days(&mut settings, "MEDIA_SAMPLE_TTL_DAYS", 180);
        let frames = days(&mut settings, "POSE_TTL_DAYS", 90);
        settings.finish(|| {
            let retention =
                RetentionConfig { events: events?, sessions: sessions?, samples: samples?, frames: frames? };
            Some(Self { log_level: log_level?, postgres: postgres?, clickhouse: clickhouse?, retention })
        })
    }
}

fn server(settings: &mut Settings) -> Option<ServerConfig> {
    let host = settings.or("HOST", "0.0.0.0".to_owned());
    let port = settings.or("PORT", 4000);
    let port_file = settings.optional("PORT_FILE");
    let log_level = settings.or("LOG_LEVEL", LogLevel::default());
    let trusted_proxies = settings.or("TRUSTED_PROXIES", Vec::new());
    let metrics_token = settings.optional("METRICS_TOKEN");
    let request_timeout = settings.or("REQUEST_TIMEOUT", Duration::from_secs(30));
    let shutdown_timeout = settings.or("SHUTDOWN_TIMEOUT", Duration::from_secs(10));
    Some(ServerConfig {
        host: host?,
        port: port?,
        port_file: port_file?,
        log_level: log_level?,
        trusted_proxies: trusted_proxies?,
        metrics_token: metrics_token?,
        request_timeout: request_timeout?,
        shutdown_timeout: shutdown_timeout?,
    })
}

fn auth(settings: &mut Settings) -> Option<AuthConfig> {
    let core_jwks_url = settings.required("CORE_JWKS_URL");
    let core_issuer = settings.or("CORE_ISSUER", "restartix-core".to_owned());
    let service_tokens = settings.required::<Vec<SecretString>>("TELEMETRY_INTERNAL_TOKEN");
    if let Some(tokens) = &service_tokens {
        let long = tokens.iter().all(|token| token.expose_secret().len() >= SERVICE_TOKEN_MIN);
        if !long || tokens.is_empty() || tokens.len() > 2 {
            settings.fault(
                "TELEMETRY_INTERNAL_TOKEN",
                format!("one secret, or two while it rotates, each of at least {SERVICE_TOKEN_MIN} characters"),
            );
        }
    }
    Some(AuthConfig { core_jwks_url: core_jwks_url?, core_issuer: core_issuer?, service_tokens: service_tokens? })
}

fn settle(settings: &mut Settings, environment: Option<Environment>, request_timeout: Duration) -> Option<Duration> {
    let least = settle_least(request_timeout);
    let settle = settings.or("ERASURE_SETTLE", ERASURE_SETTLE.max(least))?;
    if environment.is_some_and(Environment::is_production) && settle < least {
        let seconds = least.as_millis().div_ceil(1_000);
        settings.fault(
            "ERASURE_SETTLE",
            format!("at least {seconds}s: cached consent (30s), REQUEST_TIMEOUT and a batch's tries (90s)"),
        );
        return None;
    }
    Some(settle)
}

fn audit(settings: &mut Settings) -> Option<AuditConfig> {
    let key = settings.required::<SecretString>("AUDIT_HEAD_KEY");
    let former = settings.or("AUDIT_HEAD_KEYS_OLD", Vec::<String>::new());
    let kept = settings.optional::<u16>("AUDIT_RETENTION_MONTHS")?;
    if kept == Some(0) || kept > Some(1_200) {
        settings.fault("AUDIT_RETENTION_MONTHS", "a number of months from 1 to 1200");
    }
    let signer = match Ed25519Signer::from_pkcs8_pem(key?.expose_secret()) {
        Ok(signer) => signer,
        Err(error) => {
            settings.fault("AUDIT_HEAD_KEY", error.to_string());
            return None;
        }
    };
    let Ok(statements) = Statements::new(signer, &former?) else {
        settings.fault("AUDIT_HEAD_KEYS_OLD", "public keys as `x` in /.well-known/jwks.json, comma-separated");
        return None;
    };
    Some(AuditConfig { statements: Arc::new(statements), kept })
}

fn postgres(settings: &mut Settings, environment: Option<Environment>) -> Option<PostgresConfig> {
    let owner_url = settings.required::<SecretString>("TELEMETRY_DATABASE_URL");
    let app_url = settings.required::<SecretString>("TELEMETRY_DATABASE_APP_URL");
    let pool_min = settings.or("DB_POOL_MIN", 5_u32);
    let pool_max = settings.or("DB_POOL_MAX", 25_u32);
    let acquire_timeout = settings.or("DB_ACQUIRE_TIMEOUT", Duration::from_secs(3));
    for (name, url) in [("TELEMETRY_DATABASE_URL", &owner_url), ("TELEMETRY_DATABASE_APP_URL", &app_url)] {
        let parsed = url.as_ref().map(|url| url.expose_secret().parse::<PgConnectOptions>());
        if parsed.is_some_and(|parsed| parsed.is_err()) {
            settings.fault(name, "an address such as postgres://role:password@host:5432/database");
        }
    }
    if let (Some(owner), Some(app)) = (&owner_url, &app_url)
        && environment.is_some_and(Environment::is_production)
        && is_one_role(owner, app)
    {
        // The policies let the owner see all organizations.
        settings.fault("TELEMETRY_DATABASE_APP_URL", "a different role from the one in TELEMETRY_DATABASE_URL");
    }
    if let (Some(least), Some(most)) = (pool_min, pool_max)
        && (most == 0 || least > most)
    {
        settings.fault("DB_POOL_MAX", "at least 1, and at least DB_POOL_MIN");
    }
    Some(PostgresConfig {
        owner_url: owner_url?,
        app_url: app_url?,
        pool_min: pool_min?,
        pool_max: pool_max?,
        acquire_timeout: acquire_timeout?,
    })
}

fn is_one_role(owner: &SecretString, app: &SecretString) -> bool {
    let [owner, app] = [owner, app].map(|url| url.expose_secret().parse::<PgConnectOptions>());
    matches!((owner, app), (Ok(owner), Ok(app)) if owner.get_username() == app.get_username())
}

fn clickhouse(settings: &mut Settings) -> Option<ClickHouseConfig> {
    const SHOULD_BE: &str = "an address such as http://user:password@host:8123/database";
    // Read as a secret because it holds a password.
    let text = settings.required::<SecretString>("CLICKHOUSE_URL");
    let cluster = settings.optional("CLICKHOUSE_CLUSTER");
    let mut url = match Url::parse(text?.expose_secret()) {
        Ok(url) if url.has_host() && ["http", "https"].contains(&url.scheme()) => url,
        _ => {
            settings.fault("CLICKHOUSE_URL", SHOULD_BE);
            return None;
        }
    };
    let database = url.path().trim_matches('/').to_owned();
    if database.is_empty() || database.contains(['/', '%']) {
        settings.fault("CLICKHOUSE_URL", SHOULD_BE);
        return None;
    }
    let user = Some(decoded(url.username())).filter(|user| !user.is_empty());
    let password = url.password().map(|password| SecretString::from(decoded(password)));
    url.set_path("");
    url.set_query(None);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    debug_assert!(cleared.is_ok(), "an address with a host can lose its user");
    Some(ClickHouseConfig { url, database, user, password, cluster: cluster? })
}

/// Decodes a percent-encoded part of an address.
fn decoded(text: &str) -> String {
    // Only forms encode a blank as `+`.
    let pair = format!("v={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn days(settings: &mut Settings, name: &'static str, default: u32) -> Option<u32> {
    let days = settings.or(name, default)?;
    if (1..=36_500).contains(&days) {
        return Some(days);
    }
    settings.fault(name, "a number of days from 1 to 36500");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    // Published key: the seed of RFC 8037, appendix A.
    const HEAD_KEY: &str = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n-----END PRIVATE KEY-----";

    fn complete() -> Vec<(&'static str, &'static str)> {
        vec![
            ("TELEMETRY_DATABASE_URL", "postgres://restartix_telemetry@localhost/restartix_telemetry"),
            ("TELEMETRY_DATABASE_APP_URL", "postgres://restartix_telemetry_app@localhost/restartix_telemetry"),
            ("CLICKHOUSE_URL", "http://tele%40metry:p%2Fw+1@localhost:8123/telemetry"),
            ("REDIS_URL", "redis://localhost:6379/0"),
            ("TELEMETRY_INTERNAL_TOKEN", "0123456789abcdef0123456789abcdef,fedcba9876543210fedcba9876543210"),
            ("TELEMETRY_HASH_KEY", KEY),
            ("AUDIT_HEAD_KEY", HEAD_KEY),
            ("CORE_JWKS_URL", "http://localhost:9000/.well-known/jwks.json"),
        ]
    }

    fn with(name: &'static str, value: &'static str) -> Result<Config, ConfigFaults> {
        Config::load(Settings::from_pairs(complete().into_iter().chain([(name, value)])))
    }

    #[test]
    fn defaults_are_filled_in_and_addresses_taken_apart() {
        let config = Config::load(Settings::from_pairs(complete())).unwrap();
        assert_eq!((config.server.port, config.auth.core_issuer.as_str()), (4000, "restartix-core"));
        assert_eq!(config.auth.service_tokens.len(), 2);
        let clickhouse = config.clickhouse;
        assert_eq!((clickhouse.url.as_str(), clickhouse.database.as_str()), ("http://localhost:8123/", "telemetry"));
        assert_eq!(clickhouse.user.as_deref(), Some("tele@metry"));
        assert_eq!(clickhouse.password.unwrap().expose_secret(), "p/w+1");
    }

    #[test]
    fn all_faults_come_at_once() {
        let faults = Config::load(Settings::from_pairs([("PORT", "x")])).unwrap_err();
        let names: Vec<&str> = faults.iter().map(server_shared::config::ConfigFault::name).collect();
        for name in
            ["PORT", "TELEMETRY_DATABASE_URL", "CLICKHOUSE_URL", "REDIS_URL", "TELEMETRY_HASH_KEY", "CORE_JWKS_URL"]
        {
            assert!(names.contains(&name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn the_owner_never_serves_people_in_production() {
        let owner = "postgres://restartix_telemetry@localhost/restartix_telemetry";
        assert!(with("TELEMETRY_DATABASE_APP_URL", owner).is_err());
        let other_database = "postgres://restartix_telemetry:Zm9v@localhost:5433/elsewhere";
        assert!(with("TELEMETRY_DATABASE_APP_URL", other_database).is_err(), "it is the role that counts");
        let development =
            complete().into_iter().chain([("TELEMETRY_DATABASE_APP_URL", owner), ("APP_ENV", "development")]);
        assert!(Config::load(Settings::from_pairs(development)).is_ok());
    }

    #[test]
    fn dangerous_or_useless_values_are_refused() {
        assert!(with("TELEMETRY_INTERNAL_TOKEN", "short").is_err());
        assert!(with("TELEMETRY_INTERNAL_TOKEN", "0123456789abcdef,0123456789abcdeg,0123456789abcdeh").is_err());
        assert!(with("CLICKHOUSE_URL", "http://localhost:8123").is_err(), "no database");
        assert!(with("CLICKHOUSE_URL", "tcp://localhost:9000/telemetry").is_err());
        assert!(with("DB_POOL_MAX", "2").is_err(), "fewer than DB_POOL_MIN");
        assert!(with("AUDIT_HEAD_KEY", KEY).is_err() && with("AUDIT_HEAD_KEYS_OLD", KEY).is_err());
        assert!(with("AUDIT_HEAD_KEYS_OLD", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").is_ok());
        assert!(with("AUDIT_RETENTION_MONTHS", "0").is_err() && with("AUDIT_RETENTION_MONTHS", "120").is_ok());
    }

    #[test]
    fn an_erasure_waits_for_all_that_may_be_on_its_way() {
        let settled = |pairs: &[(&'static str, &'static str)]| {
            let all = complete().into_iter().chain(pairs.iter().copied());
            Config::load(Settings::from_pairs(all)).map(|config| config.erasure_settle.as_secs())
        };
        assert_eq!(settled(&[]).unwrap(), 180);
        assert_eq!(settled(&[("REQUEST_TIMEOUT", "5m")]).unwrap(), 420, "30 s, the request, and 90 s");
        assert_eq!(settled(&[("ERASURE_SETTLE", "150s")]).unwrap(), 150);
        assert!(settled(&[("ERASURE_SETTLE", "149s")]).is_err());
        assert!(settled(&[("ERASURE_SETTLE", "3m"), ("REQUEST_TIMEOUT", "61s")]).is_err());
        let development = [("ERASURE_SETTLE", "1s"), ("APP_ENV", "development")];
        assert_eq!(settled(&development).unwrap(), 1, "one instance, and nobody's data");
    }

    #[test]
    fn retention_is_in_days() {
        let load =
            |days| MigrateConfig::load(Settings::from_pairs(complete().into_iter().chain([("POSE_TTL_DAYS", days)])));
        assert_eq!(load("30").unwrap().retention.frames, 30);
        assert!(load("0").is_err());
    }
}
