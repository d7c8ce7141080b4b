//! Composition root: builds every service once and hands it its dependencies.

use std::{io, sync::Arc, time::Duration};

use ::clickhouse::Client;
use poem::{Response, endpoint::BoxEndpoint};
use secrecy::SecretString;
use server_shared::{
    allocator,
    http::{
        document::{Document, DocumentFault, Info},
        failure::Failures,
        health::{Dependency, HealthApi},
        metrics::Metrics,
        operation::Limits,
        service::{Bound, Frame, endpoint},
    },
    rate_limit::Limiter,
    shutdown::{self, Shutdown},
    token::{Algorithm, Jwks, KeySource, Rules, Verifier},
};
use thiserror::Error;
use tokio::sync::Notify;

use crate::{
    access::{AccessApi, AccessService},
    analytics::{AnalyticsApi, AnalyticsRepository, AnalyticsService},
    audit::{
        AuditApi, AuditService, ChainApi, ChainService, HeadApi, HeadJob, HeadService, HeadSigner, PartitionJob,
        RefusalRecorder, RefusalWriter, Sealer, partitions_ensure,
    },
    compliance::Compliance,
    config::{AuthConfig, Config, MigrateConfig},
    http::{TelemetryGate, scanners},
    media::{MediaApi, MediaService},
    organization::{OrganizationApi, OrganizationService},
    pose::{PoseApi, PoseService},
    privacy::{
        ConsentCache, ConsentRepository, ConsentService, ErasureApi, ErasureRepository, ErasureRunner, ErasureService,
        EventHoldings, ExclusionApi, ExclusionRepository, ExclusionService, Exporter, PrivacyApi, RowHoldings,
        SubjectApi, SubjectRepository, SubjectService,
    },
    security::{Detector, SecurityApi, SecurityService, SweepJob},
    storage::{
        clickhouse::{self, ClickHouseProbe, MigrateFault, Pace, Table, Writer},
        postgres::{Database, PostgresProbe, UNRESTRICTED},
        redis::{Redis, RedisProbe},
    },
};

/// APIs with operations, in the order of the specification.
type Api = (
    HealthApi,
    AccessApi,
    OrganizationApi,
    AuditApi,
    ChainApi,
    HeadApi,
    SecurityApi,
    AnalyticsApi,
    MediaApi,
    PoseApi,
    PrivacyApi,
    ExclusionApi,
    SubjectApi,
    ErasureApi,
);

const INFO: Info = Info {
    title: "RestartiX Telemetry API",
    version: "2.0.0",
    description: "Audit trail, security events, analytics, media sessions, body landmarks and consent of RestartiX clinics.\n\n\
                  People send a token that Core issues (`me_telemetry_token_create`) as `Authorization: Bearer …`, and \
                  Core sends the service token. The token alone identifies the caller and the organization. Events \
                  that an operation counts as stored are durable, and a batch that is sent again is not stored twice. \
                  Times are in UTC (RFC 3339).\n\n\
                  A query parameter, a declared header or a key of a JSON object that occurs more than once is refused \
                  with 400, and the answer names it. A body with a `Content-Encoding` is refused with 415, except \
                  `gzip` for operations that mention it.",
    public: &["health_get", "ready_get", "jwks_get"],
    headers: &[],
};

/// Errors for which the service cannot start or continue.
#[derive(Debug, Error)]
pub(crate) enum AppError {
    /// The specification contradicts itself, which is a fault of the program.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// The port cannot be bound or served.
    #[error("the listener: {0}")]
    Io(#[from] io::Error),
    /// The address of PostgreSQL is not valid, or a migration of it failed.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    /// A migration of PostgreSQL failed.
    #[error("PostgreSQL: {0}")]
    PostgresMigration(#[from] sqlx::migrate::MigrateError),
    /// A migration of ClickHouse failed.
    #[error(transparent)]
    ClickHouse(#[from] MigrateFault),
    /// The address of Redis is not valid.
    #[error("REDIS_URL: {0}")]
    Redis(#[from] bb8_redis::redis::RedisError),
    /// The source of Core's keys is not valid.
    #[error("CORE_JWKS_URL: {0}")]
    Keys(#[from] server_shared::token::KeyError),
    /// Row-level security does not bind the application role, so people would see the rows of every organization.
    #[error("{}", UNRESTRICTED)]
    Unrestricted,
    /// Metrics could not be set up.
    #[error("metrics: {0}")]
    Metrics(String),
}

/// Returns the specification as it is published.
pub(crate) fn specification() -> Result<String, DocumentFault> {
    Ok(Document::of::<Api>(&INFO)?.checked()?.text().to_owned())
}

/// Migrates the schemas of both databases.
pub(crate) async fn migrate(config: &MigrateConfig) -> Result<(), AppError> {
    let database = Database::new(&config.postgres)?;
    database.migrate().await?;
    let mut tx = database.work().await?;
    partitions_ensure(&mut tx).await?;
    tx.commit().await?;
    database.close().await;
    clickhouse::migrate(&config.clickhouse, config.retention).await?;
    Ok(())
}

/// Serves requests until the process receives a stop signal. Then it ends the running requests, the writers and the
/// connections, in this order.
pub(crate) async fn serve(config: Config) -> Result<(), AppError> {
    let stop = shutdown::signal();
    let jobs = Shutdown::new();
    let database = Database::new(&config.postgres)?;
    // While this thread composes the service, another one connects to the database. The tasks that composing starts are
    // the service's own and end with the process; no request is served before the role is known to be restricted.
    let restricted = tokio::spawn({
        let database = database.clone();
        async move { database.is_restricted().await }
    });
    let endpoint = compose(&config, &database, &jobs).await?;
    // Unknown while the database is down; until it is known, `/ready` answers that the service is not ready.
    if let Ok(Ok(false)) = restricted.await {
        return Err(AppError::Unrestricted);
    }
    let bound = Bound::bind(&config.server.host, config.server.port).await?;
    tracing::info!(address = %bound.address(), "serving");
    if let Some(file) = &config.server.port_file {
        tokio::fs::write(file, bound.address().to_string()).await?;
    }
    let drain = config.server.shutdown_timeout;
    let proxies = config.server.trusted_proxies.clone();
    bound.serve(endpoint, &config.edge.connections, proxies, stop, drain).await?;
    jobs.drain(drain).await;
    database.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn compose(
    config: &Config,
    database: &Database,
    jobs: &Shutdown,
) -> Result<BoxEndpoint<'static, Response>, AppError> {
    // The client that fetches Core's keys reads the root certificates of the machine, which takes as long as the rest.
    let source = KeySource::Url(config.auth.core_jwks_url.clone());
    let keys = tokio::task::spawn_blocking(move || Jwks::new(source));
    let metrics = Metrics::install(jobs)
        .map_err(|error| AppError::Metrics(error.to_string()))?
        .counting(|| allocator::allocated(&crate::ALLOCATOR));
    let redis = Redis::new(&config.redis_url)?;
    let limiter = Limiter::new(&config.redis_url, config.hash_key.clone())?;
    jobs.spawn("rate limits", |stop| limiter.clone().share(stop));
    let events = clickhouse::client(&config.clickhouse);

    let access = Arc::new(AccessService::new(database.clone()));
    access.start(jobs);
    let cache = Arc::new(ConsentCache::new(redis.clone()));
    cache.listen(jobs);
    let consents =
        Arc::new(ConsentService { repository: ConsentRepository::new(database.clone()), cache: Arc::clone(&cache) });
    let exclusions = Arc::new(ExclusionService {
        repository: ExclusionRepository::new(database.clone()),
        cache: Arc::clone(&cache),
    });
    let subjects =
        Arc::new(SubjectService { repository: SubjectRepository::new(database.clone()), cache: Arc::clone(&cache) });
    let detector = Arc::new(Detector::new(config.security.clone(), config.hash_key.clone()));
    SweepJob { database: database.clone(), window: config.security.longest_window(), kept: config.audit.kept }
        .start(jobs);
    let audit = Arc::new(AuditService { database: database.clone(), watcher: detector });
    let (attempts, writer) = RefusalWriter::new();
    writer.start(Arc::clone(&audit), jobs);
    let signer = Arc::new(HeadSigner::new(Arc::clone(&config.audit.statements)));
    PartitionJob { database: database.clone(), kept: config.audit.kept }.start(jobs);
    Sealer::new(database.clone()).start(jobs);
    HeadJob { database: database.clone(), signer: Arc::clone(&signer) }.start(jobs);
    let chains = Arc::new(ChainService {
        database: database.clone(),
        signer: Arc::clone(&signer),
        budget: config.server.request_timeout / 2,
    });
    let compliance = Arc::new(Compliance::new(config.hash_key.clone()));
    let analytics = Arc::new(AnalyticsService {
        consents: Arc::clone(&consents),
        compliance: Arc::clone(&compliance),
        events: Writer::start(Table::new(events.clone(), "analytics_events"), Pace::new(200_000, 50_000), jobs),
        repository: AnalyticsRepository::new(events.clone()),
    });
    let media = Arc::new(MediaService {
        consents: Arc::clone(&consents),
        compliance: Arc::clone(&compliance),
        sessions: Writer::start(Table::new(events.clone(), "media_sessions"), Pace::new(50_000, 20_000), jobs),
        samples: Writer::start(Table::new(events.clone(), "media_bandwidth_samples"), Pace::new(200_000, 50_000), jobs),
    });
    let pose = Arc::new(PoseService {
        consents: Arc::clone(&consents),
        compliance: Arc::clone(&compliance),
        frames: Writer::start(Table::new(events.clone(), "pose_frames"), Pace::new(100_000, 20_000), jobs),
    });

    let erasures = erasures(config, database, &events, compliance, cache);
    erasures.runner.start(jobs);

    let dependencies = vec![
        Dependency { name: "postgresql", required: true, probe: Box::new(PostgresProbe(database.clone())) },
        Dependency { name: "clickhouse", required: true, probe: Box::new(ClickHouseProbe(events)) },
        Dependency { name: "redis", required: false, probe: Box::new(RedisProbe(redis)) },
    ];
    let api: Api = (
        HealthApi::new(env!("CARGO_PKG_VERSION"), dependencies),
        AccessApi { access: Arc::clone(&access) },
        OrganizationApi { organizations: Arc::new(OrganizationService::new(database.clone())) },
        AuditApi { audit },
        ChainApi { chains },
        HeadApi { heads: Arc::new(HeadService { database: database.clone(), signer }) },
        SecurityApi { security: Arc::new(SecurityService { database: database.clone() }) },
        AnalyticsApi { analytics },
        MediaApi { media },
        PoseApi { pose },
        PrivacyApi { consents },
        ExclusionApi { exclusions },
        SubjectApi { subjects },
        ErasureApi { erasures },
    );
    let failures = Failures::new(limiter.clone(), config.edge.rate_limit_scale);
    let keys = keys.await.map_err(io::Error::other)??;
    let frame = Frame {
        info: INFO,
        gate: Arc::new(gate(&config.auth, keys, access, failures, attempts.clone(), jobs)),
        limits: Limits::new(config.server.request_timeout)
            .body_of("audit_ingest", 4 * 1024 * 1024)
            .body_of("pose_frame_track", 2 * 1024 * 1024),
        trusted_proxies: config.server.trusted_proxies.clone(),
        metrics,
        metrics_token: config.server.metrics_token.clone(),
        edge: config.edge.clone(),
        limiter,
        on_blocked: Some(scanners(attempts)),
    };
    Ok(endpoint(api, frame)?)
}

fn erasures(
    config: &Config,
    database: &Database,
    events: &Client,
    compliance: Arc<Compliance>,
    cache: Arc<ConsentCache>,
) -> Arc<ErasureService> {
    let repository = Arc::new(ErasureRepository::new(database.clone()));
    let rows = RowHoldings::new(database.clone());
    let events = EventHoldings { client: events.clone(), compliance, cluster: config.clickhouse.cluster.clone() };
    let exporter = Arc::new(Exporter { rows: rows.clone(), events: events.clone() });
    let runner = Arc::new(ErasureRunner {
        repository: Arc::clone(&repository),
        rows,
        events,
        cache,
        settle: config.erasure_settle,
        wake: Notify::new(),
    });
    Arc::new(ErasureService { repository, runner, exporter })
}

fn gate(
    auth: &AuthConfig,
    keys: Jwks,
    access: Arc<AccessService>,
    failures: Failures,
    attempts: RefusalRecorder,
    jobs: &Shutdown,
) -> TelemetryGate {
    keys.keep_fresh(jobs);
    let rules = Rules {
        algorithm: Algorithm::EdDsa,
        issuer: auth.core_issuer.clone(),
        audience: Some("restartix-telemetry".to_owned()),
        authorized_parties: Vec::new(),
        require_sid: false,
        leeway: Duration::from_secs(5),
    };
    let service_tokens: Vec<SecretString> = auth.service_tokens.clone();
    TelemetryGate::new(Verifier::new(keys, rules), access, service_tokens, failures, attempts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_says_of_each_text_what_it_may_hold() {
        let document = Document::of::<Api>(&INFO).unwrap();
        // A user agent may hold anything but control characters: no client's choice of it may cost the trail an event.
        assert_eq!(
            document.unstated_texts(),
            ["NewAuditEvent/user_agent"],
            "give them a type of `server_shared::value`, or a pattern of ASCII"
        );
    }
}
