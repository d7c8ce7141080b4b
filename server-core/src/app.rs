//! Composition root: builds every service once, by constructor.

mod domains;

use std::{error::Error, sync::Arc, time::Duration};

use domains::{Domains, People, reactions};
use restartix_sdk::{ClientBuilder, telemetry};
use secrecy::ExposeSecret;
use server_shared::{
    allocator,
    crypto::Key32,
    http::{
        document::{HeaderParameter, HeaderValue, Info},
        failure::Failures,
        health::{Dependency, HealthApi},
        metrics::Metrics,
        operation::Limits,
        service::{Bound, Frame, endpoint},
    },
    rate_limit::Limiter,
    shutdown::{self, Shutdown},
    token::{Algorithm, Ed25519Signer, Jwks, KeyError, KeySource, Rules, Verifier},
};

use crate::{
    audit::{Forwarder, RefusedRequestWriter},
    config::{Config, TelemetryConfig},
    database::{self, Across, AppProbe, Connections, Database, PoolProbe},
    domain::{clerk_event, gdpr, video},
    encryption::{Encryption, OrganizationKeys},
    http::{
        ApiKeys, Authentication, Budgets, CallerLimits, Changes, Directory, Feeds, Idempotency, Identities,
        Impersonations, Sessions, scanners,
    },
    identity::{Listeners, Secrets},
    integration::{
        clerk,
        daily::Daily,
        redis::{self, RedisProbe},
        s3::{Storage, StorageProbe},
    },
    jobs::Runner,
};

pub(crate) use domains::{Api, HOLDINGS};

/// Longest time that an export by Telemetry may take; Telemetry's other requests have the client's usual timeout.
const LONGEST_EXPORT: Duration = Duration::from_mins(30);

/// Header of the specification, and the list of public operations.
pub(crate) const INFO: Info = Info {
    title: "RestartiX Core API",
    version: "2.0.0",
    description: "Organizations, people and appointments of rehabilitation and telehealth clinics.\n\n\
        People send a session token as `Authorization: Bearer …`, programs an API key as `X-Api-Key`. The header \
        `X-Organization-Id` names the organization of the request; without it, the caller's current organization, or \
        the organization of the API key, applies. Every error has the body `ErrorEnvelope`, whose `code` never \
        changes. Lists are paged by `page` and `page_size`. Times are in UTC (RFC 3339) unless a field states otherwise.\n\n\
        A query parameter, a declared header or a key of a JSON object that occurs more than once is refused with 400, \
        and the answer names it. A body with a `Content-Encoding` is refused with 415.",
    public: &["health_get", "ready_get", "jwks_get", "clerk_webhook_receive", "calendar_feed_get"],
    headers: &[
        HeaderParameter {
            name: "X-Organization-Id",
            description: "Id of the organization of the request. If left out, the caller's current organization, or the \
            organization of the API key.",
            holds: HeaderValue::Id,
            method: None,
        },
        HeaderParameter {
            name: "Idempotency-Key",
            description: "Key that makes the request safe to repeat for a day, e.g. a UUID: a repetition with the same \
            key and body gets the first answer again and changes nothing.",
            holds: HeaderValue::Text,
            method: Some("post"),
        },
    ],
};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let stop = shutdown::signal();
    let jobs = Shutdown::new();
    let metrics = Metrics::install(&jobs)?.counting(|| allocator::allocated(&crate::ALLOCATOR));

    let stores = Stores::connect(&config).await?;
    let (across, limiter) = (stores.across.clone(), stores.limiter.clone());
    jobs.spawn("rate limits", |stop| limiter.clone().share(stop));
    let (telemetry, rights_telemetry) = telemetry_clients(&config.telemetry)?;
    let secrets = KnownSecrets::new(&config.api_key_pepper);
    let callers = Callers::new(&across, &secrets);
    let encryption = Arc::new(Encryption::new(config.encryption));
    let keys = OrganizationKeys::new(across.clone(), Arc::clone(&encryption));

    let (forwarder, wake) = Forwarder::new(across.clone(), telemetry.clone());
    let (refused, refused_writer) = RefusedRequestWriter::new(across.clone(), wake.clone());
    let runner = Runner::new(across.clone());
    let database = Database::new(
        across.clone(),
        stores.app.clone(),
        (wake, runner.wake()),
        callers.listeners.clone(),
        reactions(),
    );
    let signer = Arc::new(Ed25519Signer::from_pkcs8_pem(config.telemetry.signing_key.expose_secret())?);
    let people = People::new(&database, signer, &encryption);
    let forms = domains::forms(&database, &encryption, &keys, &people);
    let connections = config.database.pool.max;
    let exports = domains::exports(&database, &keys, &people, &forms, (stores.storage.clone(), connections));
    let daily = config.daily.api_key.map(|key| Daily::new(config.daily.url, key)).transpose()?;
    let domains = Domains {
        video: video::Service::new(database.clone(), daily),
        clerk: clerk_event::Service::new(
            database.clone(),
            people.accounts.clone(),
            people.members.clone(),
            config.clerk.webhook_secret,
        ),
        rights: gdpr::Service::new(
            database.clone(),
            Arc::clone(&encryption),
            keys.clone(),
            HOLDINGS,
            stores.storage.clone(),
            rights_telemetry,
            people.members.clone(),
        ),
        people,
        forms,
        exports,
        database,
        keys,
        encryption: Arc::clone(&encryption),
    };

    let provider = clerk::Users::new(config.clerk.api_url, config.clerk.secret_key)?;
    let runner = domains.workers(runner, &stores, &telemetry, provider);
    let changes = Changes::new(config.database.url.clone(), callers.listeners.clone()).ring(runner.wake());
    let uses = callers.api_keys.clone();
    jobs.spawn("audit attempts", |stop| refused_writer.run(stop));
    jobs.spawn("audit forwarder", |stop| forwarder.run(stop));
    jobs.spawn("job runner", |stop| runner.run(stop));
    jobs.spawn("identity listener", |stop| changes.listen(stop));
    jobs.spawn("API key uses", |stop| uses.write_uses(stop));

    let scale = config.edge.rate_limit_scale;
    let (budgets, failures) = (Budgets::new(limiter.clone(), scale), Failures::new(limiter.clone(), scale));
    let feeds = Feeds::new(
        across.clone(),
        Arc::clone(&secrets.feeds),
        callers.identities.clone(),
        budgets.clone(),
        failures.clone(),
    );
    let verifier = session_verifier(config.clerk.keys, config.clerk.issuer, config.clerk.authorized_parties, &jobs)?;
    let authentication = Authentication::new(callers.directory(verifier), across, refused.clone());
    let limits = CallerLimits::new(authentication, budgets, failures);
    let gate = Arc::new(Idempotency::new(limits, domains.database.clone(), encryption));

    let api = domains.api(stores.health(), secrets, feeds);
    let connections = config.edge.connections.clone();
    let frame = Frame {
        info: INFO,
        gate,
        limits: Limits::new(config.server.request_timeout),
        trusted_proxies: config.server.trusted_proxies.clone(),
        metrics,
        metrics_token: config.server.metrics_token,
        edge: config.edge,
        limiter,
        on_blocked: Some(scanners(refused)),
    };
    let endpoint = endpoint(api, frame)?;

    let bound = Bound::bind(&config.server.host, config.server.port).await?;
    bound.announce(config.server.port_file.as_deref())?;
    bound.serve(endpoint, &connections, config.server.trusted_proxies, stop, config.server.shutdown_timeout).await?;
    // All requests have ended and their jobs are stored, so the background tasks may stop at once.
    if !jobs.drain(config.server.shutdown_timeout).await {
        tracing::warn!("some background tasks did not stop in time");
    }
    Ok(())
}

/// Connections to the stores.
struct Stores {
    across: Across,
    app: Connections,
    redis: RedisProbe,
    limiter: Limiter,
    storage: Storage,
}

impl Stores {
    async fn connect(config: &Config) -> Result<Self, Box<dyn Error>> {
        let owner = database::connect(&config.database.url, &config.database.pool)?;
        let app = Connections::new(&config.database.app_url, &config.database.pool)?;
        // The role can't be checked while the database is down; until then `/ready` answers that the service is not
        // ready.
        if let Ok(false) = database::is_restricted(&app).await {
            return Err(database::UNRESTRICTED.into());
        }
        Ok(Self {
            across: Across::new(owner),
            app,
            redis: RedisProbe(redis::connect(&config.redis_url)?),
            limiter: Limiter::new(&config.redis_url, config.encryption.blind_index.clone())?,
            storage: Storage::new(&config.storage),
        })
    }

    /// Returns the health operations, with the stores that `/ready` checks and whether the service needs each.
    fn health(self) -> HealthApi {
        let dependencies = vec![
            Dependency { name: "postgresql", required: true, probe: Box::new(PoolProbe(self.across.pool().clone())) },
            Dependency { name: "postgresql_app", required: true, probe: Box::new(AppProbe(self.app)) },
            Dependency { name: "redis", required: false, probe: Box::new(self.redis) },
            Dependency { name: "s3", required: false, probe: Box::new(StorageProbe(self.storage)) },
        ];
        HealthApi::new(env!("CARGO_PKG_VERSION"), dependencies)
    }
}

/// Secrets that the service generates, by kind.
struct KnownSecrets {
    api_keys: Arc<Secrets>,
    impersonations: Arc<Secrets>,
    feeds: Arc<Secrets>,
}

impl KnownSecrets {
    fn new(pepper: &Key32) -> Self {
        let of = |prefix| Arc::new(Secrets::new(prefix, pepper.clone()));
        Self { api_keys: of("rxkey_"), impersonations: of("rximp_"), feeds: of("rxcal_") }
    }
}

/// Caches of callers, each notified of changes.
struct Callers {
    identities: Identities,
    sessions: Sessions,
    api_keys: ApiKeys,
    impersonations: Impersonations,
    listeners: Listeners,
}

impl Callers {
    fn new(across: &Across, secrets: &KnownSecrets) -> Self {
        let listeners = Listeners::default();
        let identities = Identities::new(across.clone());
        let sessions = Sessions::new(across.clone());
        let api_keys = ApiKeys::new(across.clone(), Arc::clone(&secrets.api_keys));
        let impersonations = Impersonations::new(across.clone(), Arc::clone(&secrets.impersonations));
        identities.hear(&listeners);
        sessions.hear(&listeners);
        api_keys.hear(&listeners);
        impersonations.hear(&listeners);
        Self { identities, sessions, api_keys, impersonations, listeners }
    }

    fn directory(self, verifier: Verifier) -> Directory {
        let Self { identities, sessions, api_keys, impersonations, .. } = self;
        Directory { verifier, sessions, identities, api_keys, impersonations }
    }
}

/// Builds the verifier of the identity provider's session tokens, whose keys are refreshed in the background.
fn session_verifier(
    keys: KeySource,
    issuer: String,
    authorized_parties: Vec<String>,
    jobs: &Shutdown,
) -> Result<Verifier, KeyError> {
    let keys = Jwks::new(keys)?;
    keys.keep_fresh(jobs);
    let rules = Rules {
        algorithm: Algorithm::Rs256,
        issuer,
        audience: None,
        authorized_parties,
        require_sid: true,
        leeway: Duration::from_secs(5),
    };
    Ok(Verifier::new(keys, rules))
}

/// Builds a client of Telemetry with the usual timeout, and one that waits for the longest export.
fn telemetry_clients(config: &TelemetryConfig) -> Result<(telemetry::Client, telemetry::Client), Box<dyn Error>> {
    let client = || ClientBuilder::new(config.url.as_str()).token(config.token.expose_secret());
    Ok((client().telemetry()?, client().timeout(LONGEST_EXPORT).telemetry()?))
}
