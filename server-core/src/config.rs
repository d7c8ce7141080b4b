//! Variables of this service with their defaults and checks, in one struct for each concern.

use std::time::Duration;

use ipnet::IpNet;
use redis::IntoConnectionInfo as _;
use secrecy::{ExposeSecret as _, SecretString};
use server_shared::{
    config::{ConfigFaults, EdgeConfig, Environment, Settings},
    crypto::{Key32, MasterKeys, WebhookSecret},
    logging::LogLevel,
    token::{Ed25519Signer, Jwks, KeySource},
};
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// Configuration of the service, read from its environment.
pub(crate) struct Config {
    pub(crate) server: ServerConfig,
    pub(crate) edge: EdgeConfig,
    pub(crate) database: DatabaseConfig,
    pub(crate) clerk: ClerkConfig,
    pub(crate) encryption: EncryptionConfig,
    /// `API_KEY_PEPPER`: 64 hexadecimal characters; hashes the secrets of API keys and impersonations
    pub(crate) api_key_pepper: Key32,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) storage: StorageConfig,
    pub(crate) daily: DailyConfig,
    /// `REDIS_URL`
    pub(crate) redis_url: SecretString,
}

/// The HTTP server.
pub(crate) struct ServerConfig {
    /// `HOST`, default `0.0.0.0`
    pub(crate) host: String,
    /// `PORT`, default 9000; 0 takes any free port
    pub(crate) port: u16,
    /// `PORT_FILE`: file to which `host:port` is written once the server listens
    pub(crate) port_file: Option<String>,
    /// `LOG_LEVEL`, default `info`
    pub(crate) log_level: LogLevel,
    /// `TRUSTED_PROXIES`: networks of proxies whose `X-Forwarded-For` is trusted
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// `METRICS_TOKEN`: bearer token for `/metrics`; without it there is no `/metrics`
    pub(crate) metrics_token: Option<SecretString>,
    /// `REQUEST_TIMEOUT`, default 30s
    pub(crate) request_timeout: Duration,
    /// `SHUTDOWN_TIMEOUT`, default 10s
    pub(crate) shutdown_timeout: Duration,
}

/// PostgreSQL.
pub(crate) struct DatabaseConfig {
    /// `DATABASE_URL`: the owner's role
    pub(crate) url: SecretString,
    /// `DATABASE_APP_URL`: the role that row-level security binds
    pub(crate) app_url: SecretString,
    pub(crate) pool: PoolConfig,
}

impl DatabaseConfig {
    fn has_one_role(&self) -> bool {
        let [owner, app] = [&self.url, &self.app_url].map(|url| url.expose_secret().parse::<PgConnectOptions>());
        matches!((owner, app), (Ok(owner), Ok(app)) if owner.get_username() == app.get_username())
    }
}

/// Connection pool; the owner's and the restricted role's have the same settings.
pub(crate) struct PoolConfig {
    /// `DB_POOL_MIN`, default 5
    pub(crate) min: u32,
    /// `DB_POOL_MAX`, default 25
    pub(crate) max: u32,
    /// `DB_ACQUIRE_TIMEOUT`, default 3s
    pub(crate) acquire_timeout: Duration,
    /// `DB_POOL_MAX_CONN_LIFETIME`, default 1h
    pub(crate) max_lifetime: Duration,
    /// `DB_POOL_MAX_CONN_IDLE_TIME`, default 30m
    pub(crate) idle_timeout: Duration,
}

/// The identity provider.
pub(crate) struct ClerkConfig {
    /// `CLERK_ISSUER`: the `iss` of session tokens
    pub(crate) issuer: String,
    /// `CLERK_JWT_KEY` (a PEM), else `CLERK_JWKS_URL`, else the JWKS at the issuer's well-known URL
    pub(crate) keys: KeySource,
    /// `CLERK_AUTHORIZED_PARTIES`: accepted values of `azp`; an empty list accepts any
    pub(crate) authorized_parties: Vec<String>,
    /// `CLERK_WEBHOOK_SECRET`: verifies messages to `/webhooks/clerk`
    pub(crate) webhook_secret: WebhookSecret,
    /// `CLERK_API_URL`, default `https://api.clerk.com`
    pub(crate) api_url: Url,
    /// `CLERK_SECRET_KEY`: for calls to the Backend API
    pub(crate) secret_key: SecretString,
}

/// Keys for encryption at rest.
pub(crate) struct EncryptionConfig {
    /// `ENCRYPTION_KEY`: 64 hexadecimal characters; `ENCRYPTION_KEYS_OLD`: former keys, which still unwrap
    pub(crate) master: MasterKeys,
    /// `BLIND_INDEX_KEY`: 64 hexadecimal characters
    pub(crate) blind_index: Key32,
}

/// The Telemetry service.
pub(crate) struct TelemetryConfig {
    /// `TELEMETRY_INTERNAL_URL`
    pub(crate) url: Url,
    /// `TELEMETRY_INTERNAL_TOKEN`
    pub(crate) token: SecretString,
    /// `TELEMETRY_TOKEN_KEY`: Ed25519 private key (PKCS#8 PEM) that signs users' tokens for Telemetry
    pub(crate) signing_key: SecretString,
}

/// S3.
pub(crate) struct StorageConfig {
    /// `AWS_ACCESS_KEY_ID`
    pub(crate) access_key_id: SecretString,
    /// `AWS_SECRET_ACCESS_KEY`
    pub(crate) secret_access_key: SecretString,
    /// `AWS_REGION`
    pub(crate) region: String,
    /// `AWS_BUCKET_NAME`
    pub(crate) bucket: String,
    /// `S3_ENDPOINT`: S3 server other than AWS, addressed by path
    pub(crate) endpoint: Option<Url>,
}

/// Daily, for appointments by video.
pub(crate) struct DailyConfig {
    /// `DAILY_REST_DOMAIN`, default `https://api.daily.co/v1`
    pub(crate) url: Url,
    /// `DAILY_API_KEY`; without it nobody can join by video
    pub(crate) api_key: Option<SecretString>,
}

impl Config {
    /// Reads the configuration; reports every fault of every variable together.
    pub(crate) fn load() -> Result<Self, ConfigFaults> {
        Self::read(Settings::load())
    }

    fn read(mut s: Settings) -> Result<Self, ConfigFaults> {
        let environment = s.or("APP_ENV", Environment::Production);
        let server = server(&mut s);
        let edge = EdgeConfig::read(&mut s, environment.unwrap_or_default());
        let database = database(&mut s);
        let clerk = clerk(&mut s);
        let encryption = encryption(&mut s);
        let api_key_pepper = s.required("API_KEY_PEPPER");
        let telemetry = telemetry(&mut s);
        let storage = storage(&mut s);
        let daily = daily(&mut s);
        let redis_url = redis_url(&mut s);
        if environment.is_some_and(Environment::is_production) {
            production(&mut s, clerk.as_ref(), database.as_ref());
        }
        s.finish(|| {
            Some(Self {
                server: server?,
                edge: edge?,
                database: database?,
                clerk: clerk?,
                encryption: encryption?,
                api_key_pepper: api_key_pepper?,
                telemetry: telemetry?,
                storage: storage?,
                daily: daily?,
                redis_url: redis_url?,
            })
        })
    }
}

/// Reads the owner's database URL, the only setting that `server-core migrate` and `server-core bootstrap` need.
pub(crate) fn owner_url() -> Result<SecretString, ConfigFaults> {
    let mut s = Settings::load();
    let url = postgres_url(&mut s, "DATABASE_URL");
    s.finish(|| url)
}

/// Configuration of `server-core rotate-keys`.
pub(crate) struct RotationConfig {
    /// `DATABASE_URL`: the owner's role
    pub(crate) url: SecretString,
    /// `ENCRYPTION_KEY` and `ENCRYPTION_KEYS_OLD`
    pub(crate) master: MasterKeys,
}

impl RotationConfig {
    /// Reads these variables and no other; reports every fault together.
    pub(crate) fn load() -> Result<Self, ConfigFaults> {
        let mut s = Settings::load();
        let url = postgres_url(&mut s, "DATABASE_URL");
        let master = master_keys(&mut s);
        s.finish(|| Some(Self { url: url?, master: master? }))
    }
}

/// Configuration of `server-core refresh-values`.
pub(crate) struct RefreshConfig {
    /// `DATABASE_URL`: the owner's role
    pub(crate) url: SecretString,
    /// `ENCRYPTION_KEY`, `ENCRYPTION_KEYS_OLD` and `BLIND_INDEX_KEY`
    pub(crate) encryption: EncryptionConfig,
}

impl RefreshConfig {
    /// Reads these variables and no other, and reports all faults at once.
    pub(crate) fn load() -> Result<Self, ConfigFaults> {
        let mut s = Settings::load();
        let url = postgres_url(&mut s, "DATABASE_URL");
        let encryption = encryption(&mut s);
        s.finish(|| Some(Self { url: url?, encryption: encryption? }))
    }
}

fn server(s: &mut Settings) -> Option<ServerConfig> {
    let host = s.or("HOST", "0.0.0.0".to_owned());
    let port = s.or("PORT", 9000);
    let port_file = s.optional("PORT_FILE");
    let log_level = s.or("LOG_LEVEL", LogLevel::Info);
    let trusted_proxies = s.or("TRUSTED_PROXIES", Vec::new());
    let metrics_token = s.optional("METRICS_TOKEN");
    let request_timeout = s.or("REQUEST_TIMEOUT", Duration::from_secs(30));
    let shutdown_timeout = s.or("SHUTDOWN_TIMEOUT", Duration::from_secs(10));
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

fn database(s: &mut Settings) -> Option<DatabaseConfig> {
    let url = postgres_url(s, "DATABASE_URL");
    // No fallback to the owner's URL: row-level security does not bind that pool.
    let app_url = postgres_url(s, "DATABASE_APP_URL");
    let min = s.or("DB_POOL_MIN", 5);
    let max = s.or("DB_POOL_MAX", 25);
    let acquire_timeout = s.or("DB_ACQUIRE_TIMEOUT", Duration::from_secs(3));
    let max_lifetime = s.or("DB_POOL_MAX_CONN_LIFETIME", Duration::from_hours(1));
    let idle_timeout = s.or("DB_POOL_MAX_CONN_IDLE_TIME", Duration::from_mins(30));
    if let (Some(min), Some(max)) = (min, max)
        && (max == 0 || min > max)
    {
        s.fault("DB_POOL_MAX", "at least 1 and not less than DB_POOL_MIN");
    }
    Some(DatabaseConfig {
        url: url?,
        app_url: app_url?,
        pool: PoolConfig {
            min: min?,
            max: max?,
            acquire_timeout: acquire_timeout?,
            max_lifetime: max_lifetime?,
            idle_timeout: idle_timeout?,
        },
    })
}

/// Reads a URL, checks it, and returns it as a secret, because it contains a password.
fn postgres_url(s: &mut Settings, name: &'static str) -> Option<SecretString> {
    let url = s.required::<SecretString>(name)?;
    let scheme = Url::parse(url.expose_secret()).map(|url| url.scheme().to_owned());
    let sound = scheme.is_ok_and(|scheme| ["postgres", "postgresql"].contains(&scheme.as_str()))
        && url.expose_secret().parse::<PgConnectOptions>().is_ok();
    if !sound {
        s.fault(name, "an address such as postgres://role:password@host:5432/database");
    }
    Some(url)
}

fn redis_url(s: &mut Settings) -> Option<SecretString> {
    let url = s.required::<SecretString>("REDIS_URL")?;
    if url.expose_secret().into_connection_info().is_err() {
        s.fault("REDIS_URL", "an address such as redis://:password@host:6379/0");
    }
    Some(url)
}

fn clerk(s: &mut Settings) -> Option<ClerkConfig> {
    let issuer = s.required::<Url>("CLERK_ISSUER");
    let pem = s.optional::<String>("CLERK_JWT_KEY");
    let jwks = s.optional::<Url>("CLERK_JWKS_URL");
    let authorized_parties = s.or("CLERK_AUTHORIZED_PARTIES", Vec::new());
    let webhook_secret = s.required("CLERK_WEBHOOK_SECRET");
    let pem = pem.map(|pem| pem.map(KeySource::Pem));
    if let Some(Some(keys)) = &pem
        && Jwks::new(keys.clone()).is_err()
    {
        s.fault("CLERK_JWT_KEY", "the PEM of an RSA public key of at least 2048 bits");
    }
    let api_url = s.optional::<Url>("CLERK_API_URL");
    let secret_key = s.required("CLERK_SECRET_KEY");
    let issuer = issuer?;
    let keys = match (pem?, jwks?) {
        (Some(keys), _) => keys,
        (None, Some(url)) => KeySource::Url(url),
        (None, None) => KeySource::Url(issuer.join("/.well-known/jwks.json").ok()?),
    };
    // The `iss` of a token is compared as text, and Clerk's issuers don't end in a slash.
    let issuer = issuer.as_str().trim_end_matches('/').to_owned();
    let api_url = match api_url? {
        Some(url) => url,
        None => Url::parse("https://api.clerk.com").ok()?,
    };
    Some(ClerkConfig {
        issuer,
        keys,
        authorized_parties: authorized_parties?,
        webhook_secret: webhook_secret?,
        api_url,
        secret_key: secret_key?,
    })
}

fn encryption(s: &mut Settings) -> Option<EncryptionConfig> {
    let master = master_keys(s);
    let blind_index = s.required("BLIND_INDEX_KEY");
    Some(EncryptionConfig { master: master?, blind_index: blind_index? })
}

fn master_keys(s: &mut Settings) -> Option<MasterKeys> {
    let current = s.required::<Key32>("ENCRYPTION_KEY");
    let old = s.or::<Vec<Key32>>("ENCRYPTION_KEYS_OLD", Vec::new());
    if let (Some(current), Some(old)) = (&current, &old)
        && old.iter().any(|key| key.id() == current.id() && key.expose() != current.expose())
    {
        // The probability is one in four thousand million, but values wrapped by one key would be taken for those of
        // the other.
        s.fault("ENCRYPTION_KEY", "another key: this one happens to have the same id as one in ENCRYPTION_KEYS_OLD");
    }
    Some(MasterKeys::new(current?, old?))
}

fn telemetry(s: &mut Settings) -> Option<TelemetryConfig> {
    let url = s.required("TELEMETRY_INTERNAL_URL");
    let token = s.required("TELEMETRY_INTERNAL_TOKEN");
    let signing_key = s.required::<SecretString>("TELEMETRY_TOKEN_KEY");
    if signing_key.as_ref().is_some_and(|key| Ed25519Signer::from_pkcs8_pem(key.expose_secret()).is_err()) {
        s.fault("TELEMETRY_TOKEN_KEY", "an Ed25519 private key as PKCS#8 PEM (openssl genpkey -algorithm ed25519)");
    }
    Some(TelemetryConfig { url: url?, token: token?, signing_key: signing_key? })
}

fn storage(s: &mut Settings) -> Option<StorageConfig> {
    let access_key_id = s.required("AWS_ACCESS_KEY_ID");
    let secret_access_key = s.required("AWS_SECRET_ACCESS_KEY");
    let region = s.required("AWS_REGION");
    let bucket = s.required("AWS_BUCKET_NAME");
    let endpoint = s.optional("S3_ENDPOINT");
    Some(StorageConfig {
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        region: region?,
        bucket: bucket?,
        endpoint: endpoint?,
    })
}

fn daily(s: &mut Settings) -> Option<DailyConfig> {
    let api_key = s.optional("DAILY_API_KEY");
    let url = match s.optional::<Url>("DAILY_REST_DOMAIN")? {
        Some(url) => url,
        None => Url::parse("https://api.daily.co/v1").ok()?,
    };
    if !["https", "http"].contains(&url.scheme()) {
        s.fault("DAILY_REST_DOMAIN", "an address such as https://api.daily.co/v1");
    }
    Some(DailyConfig { url, api_key: api_key? })
}

/// Reports settings that production must not have because they suit only a development machine.
fn production(s: &mut Settings, clerk: Option<&ClerkConfig>, database: Option<&DatabaseConfig>) {
    s.production()
        .secrets()
        .long(&["METRICS_TOKEN", "TELEMETRY_INTERNAL_TOKEN"])
        .issuer("CLERK_ISSUER")
        .sheltered(&["CLERK_JWKS_URL", "CLERK_API_URL", "TELEMETRY_INTERNAL_URL", "S3_ENDPOINT", "DAILY_REST_DOMAIN"])
        .browsed(&["CLERK_AUTHORIZED_PARTIES", "CORS_ALLOWED_ORIGINS"]);
    if clerk.is_some_and(|clerk| clerk.authorized_parties.is_empty()) {
        s.fault(
            "CLERK_AUTHORIZED_PARTIES",
            "the origins whose tokens are accepted; an empty list accepts tokens of any origin",
        );
    }
    if database.is_some_and(DatabaseConfig::has_one_role) {
        s.fault("DATABASE_APP_URL", "a URL with another role than DATABASE_URL, whose role sees every organization");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_at_once_by_name() {
        let pairs =
            [("PORT", "many"), ("ENCRYPTION_KEY", "abc"), ("DATABASE_URL", "postgres://x"), ("DB_POOL_MAX", "2")];
        let faults = Config::read(Settings::from_pairs(pairs)).err().expect("almost everything is missing").to_string();
        for name in
            ["PORT", "ENCRYPTION_KEY", "DATABASE_APP_URL", "CLERK_ISSUER", "REDIS_URL", "AWS_REGION", "DB_POOL_MAX"]
        {
            assert!(faults.contains(name), "{name} is not in:\n{faults}");
        }
        assert!(!faults.contains("DATABASE_URL:"), "{faults}");
    }
}
