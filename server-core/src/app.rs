//! The composition root: every service is built here, once, by constructor.

use std::{error::Error, io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use restartix_sdk::{ClientBuilder, telemetry};
use secrecy::ExposeSecret;
use server_shared::{
    config::ConfigFaults,
    http::{
        document::{Document, HeaderParameter, HeaderValue, Info},
        failure::Failures,
        health::{Dependency, HealthApi},
        metrics::Metrics,
        operation::Limits,
        service::{Bound, Frame, endpoint},
    },
    logging,
    rate_limit::Limiter,
    shutdown::{self, Shutdown},
    token::{Algorithm, Ed25519Signer, Jwks, KeyError, KeySource, Rules, Verifier},
};
use sqlx::{ConnectOptions, Connection, PgPool, migrate::Migrator, postgres::PgConnectOptions};

use crate::{
    audit::{AttemptWriter, Forwarder},
    bootstrap,
    config::{self, Config, RotationConfig, TelemetryConfig},
    database::{self, AppProbe, Database, PoolProbe},
    domain::{
        api_key, appointment, appointment_template, availability, calendar, gdpr, impersonation, invitation, member,
        organization, organization_settings, patient, schedule, specialist, specialty, user, video, waitlist,
    },
    encryption::{Encryption, OrganizationKeys, texts_seal},
    http::{
        ApiKeys, Authentication, Budgets, CallerLimits, Changes, Directory, Feeds, Idempotency, Identities,
        Impersonations, Secrets, Sessions, answers_purge, scanners,
    },
    integration::{
        clerk,
        daily::Daily,
        redis::{self, RedisProbe},
        s3::{Storage, StorageProbe},
    },
    jobs::Runner,
    rotation,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/core");

/// How long an export may take that Telemetry sends; its own requests have the client's usual limit.
const LONGEST_EXPORT: std::time::Duration = std::time::Duration::from_mins(30);

/// Every operation of the service.
type Api = (
    HealthApi,
    user::Api,
    impersonation::Api,
    clerk::Api,
    Organizations,
    Members,
    api_key::Api,
    specialty::Api,
    specialist::Api,
    patient::Api,
    Scheduling,
    appointment::Api,
    calendar::Api,
    video::Api,
    gdpr::Api,
);

/// Clinics, and what they have decided.
type Organizations = (organization::Api, organization_settings::Api);
/// Members of organizations, invitations to them, and the end of a person's account.
type Members = (member::Api, invitation::Api, gdpr::AccountApi);

/// When specialists can be booked, what for, and who waits for that.
type Scheduling = (schedule::Api, appointment_template::Api, availability::Api, waitlist::Api);

/// Head of the specification, and which operations are public or disclose protected health
/// information.
const INFO: Info = Info {
    title: "RestartiX Core API",
    version: "2.0.0",
    description: "Organizations, people and appointments of rehabilitation and telehealth clinics.\n\n\
        Send a session token as `Authorization: Bearer …` and the organization to work in as \
        `X-Organization-Id`; without it, requests go to the organization last switched to. Errors come in \
        one envelope whose `code` never changes. Lists are paged by `page` and `page_size`.",
    phi: &[
        "member_list",
        "member_update",
        "invitation_list",
        "patient_list",
        "patient_get",
        "patient_create",
        "patient_update",
        "gdpr_user_export",
        "gdpr_patient_export",
    ],
    public: &["health_get", "ready_get", "jwks_get", "clerk_webhook_receive", "calendar_feed_get"],
    headers: &[
        HeaderParameter {
            name: "X-Organization-Id",
            description: "Id of the organization to work in; the one last switched to when left out.",
            holds: HeaderValue::Id,
            method: None,
        },
        HeaderParameter {
            name: "Idempotency-Key",
            description: "Makes the request safe to repeat for a day: sent again with the same key and body, it is \
            answered like the first time and does nothing. A UUID for example.",
            holds: HeaderValue::Text,
            method: Some("post"),
        },
    ],
};

/// `server-core personal-data`
pub(crate) fn personal_data() -> ExitCode {
    ended(std::io::stdout().write_all(gdpr::printed().as_bytes()).map_err(|error| error.to_string()))
}

/// `server-core openapi`
pub(crate) fn openapi() -> ExitCode {
    let checked = Document::of::<Api>(&INFO).and_then(Document::checked);
    let printed = checked.map_err(|fault| fault.to_string()).and_then(|document| {
        std::io::stdout().write_all(document.text().as_bytes()).map_err(|error| error.to_string())
    });
    ended(printed)
}

/// `server-core migrate`
pub(crate) async fn migrate() -> ExitCode {
    match config::owner_url() {
        Ok(url) => ended(run_migrations(url.expose_secret()).await.map_err(|error| error.to_string())),
        Err(faults) => refused(&faults),
    }
}

async fn run_migrations(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = url.parse::<PgConnectOptions>()?.application_name("server-core migrate").connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await
}

/// `server-core rotate-keys`
pub(crate) async fn rotate_keys(dry_run: bool) -> ExitCode {
    let config = match RotationConfig::load() {
        Ok(config) => config,
        Err(faults) => return refused(&faults),
    };
    match rotation::run(&config, dry_run).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(rotation::KEPT),
        Err(error) => ended(Err(error.to_string())),
    }
}

/// `server-core bootstrap`
pub(crate) async fn bootstrap(plan: &bootstrap::Plan) -> ExitCode {
    let url = match config::owner_url() {
        Ok(url) => url,
        Err(faults) => return refused(&faults),
    };
    let made = bootstrap::run(&url, plan).await;
    let is_refused = matches!(made, Err(bootstrap::BootstrapError::SuperadminExists));
    let code = ended(made.map_err(|error| error.to_string()));
    if is_refused { ExitCode::from(bootstrap::REFUSED) } else { code }
}

/// `server-core serve`
pub(crate) async fn serve() -> ExitCode {
    match Config::load() {
        Ok(config) => {
            logging::init(config.server.log_level);
            let served = run(config).await;
            if let Err(error) = &served {
                tracing::error!(%error, "the service ended");
            }
            ended(served.map_err(|error| error.to_string()))
        }
        Err(faults) => refused(&faults),
    }
}

#[allow(clippy::too_many_lines, reason = "what depends on what is read from top to bottom, in one place")]
async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let stop = shutdown::signal();
    let jobs = Shutdown::new();
    let metrics = Metrics::install(&jobs)?;

    let admin = database::connect(&config.database.url, &config.database.pool)?;
    let app = database::connect(&config.database.app_url, &config.database.pool)?;
    // Unknown while the database is down; `/ready` says no until it is known.
    if let Ok(false) = database::is_restricted(&app).await {
        return Err(database::UNRESTRICTED.into());
    }
    let redis = redis::connect(&config.redis_url)?;
    let limiter = Limiter::new(&config.redis_url, config.encryption.blind_index.clone())?;
    jobs.spawn("rate limits", |stop| limiter.clone().share(stop));
    let storage = Storage::new(&config.storage);
    let (telemetry, exports) = telemetry_clients(&config.telemetry)?;

    let identities = Identities::new(admin.clone());
    let sessions = Sessions::new(admin.clone());
    let verifier = session_verifier(config.clerk.keys, config.clerk.issuer, config.clerk.authorized_parties, &jobs)?;
    let [key_secrets, impersonation_secrets, feed_secrets] =
        ["rxkey_", "rximp_", "rxcal_"].map(|prefix| Arc::new(Secrets::new(prefix, config.api_key_pepper.clone())));
    let api_keys = ApiKeys::new(admin.clone(), Arc::clone(&key_secrets));
    let impersonations = Impersonations::new(admin.clone(), Arc::clone(&impersonation_secrets));
    let signer = Arc::new(Ed25519Signer::from_pkcs8_pem(config.telemetry.signing_key.expose_secret())?);
    let encryption = Arc::new(Encryption::new(config.encryption));
    let keys = OrganizationKeys::new(admin.clone(), Arc::clone(&encryption));

    let (forwarder, wake) = Forwarder::new(admin.clone(), telemetry.clone());
    let (attempts, attempt_writer) = AttemptWriter::new(admin.clone(), wake.clone());
    jobs.spawn("audit attempts", |stop| attempt_writer.run(stop));
    let runner = Runner::new(admin.clone());
    let database = Database::new(admin.clone(), app.clone(), wake, runner.wake());
    let runner = housekeeping(runner, &admin, &database, &keys);
    jobs.spawn("audit forwarder", |stop| forwarder.run(stop));
    let People { accounts, members, patients, specialists, invitations } =
        People::new(&database, &identities, signer, &encryption);
    let daily = config.daily.api_key.map(|key| Daily::new(config.daily.url, key)).transpose()?;
    let video = video::Service::new(database.clone(), daily);
    let runner = runner.handle(video::RoomFollower(video.clone()));
    let revoker = user::AccessRevoker { admin: admin.clone(), telemetry: telemetry.clone() };
    let access = Runner::lane(admin.clone()).handle(revoker);
    let pusher = organization_settings::SettingsPusher { admin: admin.clone(), telemetry: telemetry.clone() };
    let runner = runner.handle(pusher);
    let provider = clerk::Users::new(config.clerk.api_url, config.clerk.secret_key)?;
    let runner = runner.handle(invitation::Inviter { invitations: invitations.clone(), clerk: provider.clone() });
    let runner = runner.handle(gdpr::Eraser {
        database: database.clone(),
        identities: identities.clone(),
        storage: storage.clone(),
        telemetry,
        clerk: provider,
        users: accounts.clone(),
        members: members.clone(),
    });
    let changes = Changes::new(config.database.url.clone()).ring(access.wake()).ring(runner.wake());
    jobs.spawn("job runner", |stop| runner.run(stop));
    jobs.spawn("access runner", |stop| access.run(stop));
    let changes = impersonations.hear(api_keys.hear(sessions.hear(identities.hear(changes))));
    jobs.spawn("identity listener", |stop| changes.listen(stop));
    let uses = api_keys.clone();
    jobs.spawn("API key uses", |stop| uses.write_uses(stop));
    let directory = Directory {
        verifier,
        sessions: sessions.clone(),
        identities: identities.clone(),
        api_keys: api_keys.clone(),
        impersonations: impersonations.clone(),
    };
    let authentication = Authentication::new(directory, admin.clone(), attempts.clone(), INFO.phi);
    let budgets = Budgets::new(limiter.clone(), config.edge.rate_limit_scale);
    let failures = Failures::new(limiter.clone(), config.edge.rate_limit_scale);
    let feeds =
        Feeds::new(admin.clone(), Arc::clone(&feed_secrets), identities.clone(), budgets.clone(), failures.clone());
    let limits = CallerLimits::new(authentication, budgets, failures);
    let gate = Arc::new(Idempotency::new(limits, database.clone(), Arc::clone(&encryption)));

    let clerk =
        clerk::Service::new(database.clone(), accounts.clone(), members.clone(), sessions, config.clerk.webhook_secret);
    let acting = impersonation::Service::new(
        database.clone(),
        patients.clone(),
        keys.clone(),
        impersonation_secrets,
        impersonations,
    );
    let rights = gdpr::Service::new(
        database.clone(),
        encryption,
        keys.clone(),
        storage.clone(),
        exports,
        members.clone(),
        identities.clone(),
    );
    let api: Api = (
        HealthApi::new(env!("CARGO_PKG_VERSION"), dependencies(admin, app, RedisProbe(redis), storage.clone())),
        user::Api { users: accounts, invitations: invitations.clone() },
        impersonation::Api { impersonations: acting },
        clerk::Api { clerk },
        (
            organization::Api {
                organizations: organization::Service::new(database.clone(), identities.clone(), keys.clone()),
            },
            organization_settings::Api { settings: organization_settings::Service::new(database.clone()) },
        ),
        (member::Api { members }, invitation::Api { invitations }, gdpr::AccountApi { gdpr: rights.clone() }),
        api_key::Api { api_keys: api_key::Service::new(database.clone(), key_secrets, api_keys) },
        specialty::Api { specialties: specialty::Service::new(database.clone()) },
        specialist::Api { specialists },
        patient::Api { patients },
        scheduling(&database, &keys),
        appointment::Service::new(database.clone(), keys.clone()).api(),
        calendar::Api { calendar: calendar::Service::new(database.clone(), feed_secrets), feeds },
        video::Api { video },
        gdpr::Api { gdpr: rights },
    );
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
        on_blocked: Some(scanners(attempts)),
    };
    let endpoint = endpoint(api, frame)?;

    let bound = Bound::bind(&config.server.host, config.server.port).await?;
    bound.announce(config.server.port_file.as_deref())?;
    bound.serve(endpoint, &connections, config.server.trusted_proxies, stop, config.server.shutdown_timeout).await?;
    // Requests have ended; what they left for the jobs is durable, so these may stop at once.
    if !jobs.drain(config.server.shutdown_timeout).await {
        tracing::warn!("some jobs did not stop in time");
    }
    Ok(())
}

/// Services for users, members, invitations, and the records of patients and specialists.
struct People {
    accounts: user::Service,
    members: member::Service,
    patients: patient::Service,
    specialists: specialist::Service,
    invitations: invitation::Service,
}

impl People {
    fn new(
        database: &Database,
        identities: &Identities,
        signer: Arc<Ed25519Signer>,
        encryption: &Arc<Encryption>,
    ) -> Self {
        let accounts = user::Service::new(database.clone(), identities.clone(), signer, Arc::clone(encryption));
        let members = member::Service::new(database.clone(), identities.clone(), accounts.clone());
        let patients = patient::Service::new(database.clone(), Arc::clone(encryption), identities.clone());
        let specialists = specialist::Service::new(database.clone(), identities.clone());
        let invitations = invitation::Service {
            database: database.clone(),
            encryption: Arc::clone(encryption),
            identities: identities.clone(),
            users: accounts.clone(),
            members: members.clone(),
            patients: patients.clone(),
            specialists: specialists.clone(),
        };
        Self { accounts, members, patients, specialists, invitations }
    }
}

fn scheduling(database: &Database, keys: &OrganizationKeys) -> Scheduling {
    (
        schedule::Api { schedules: schedule::Service::new(database.clone()) },
        appointment_template::Api { templates: appointment_template::Service::new(database.clone()) },
        availability::Api { availability: availability::Service::new(database.clone()) },
        waitlist::Api { waitlist: waiting(database, keys) },
    )
}

fn waiting(database: &Database, keys: &OrganizationKeys) -> waitlist::Service {
    waitlist::Service::new(database.clone(), appointment::Service::new(database.clone(), keys.clone()))
}

/// What `/ready` asks, and whether the service can do without it.
fn dependencies(admin: PgPool, app: PgPool, redis: RedisProbe, storage: Storage) -> Vec<Dependency> {
    vec![
        Dependency { name: "postgresql", required: true, probe: Box::new(PoolProbe(admin)) },
        Dependency { name: "postgresql_app", required: true, probe: Box::new(AppProbe(app)) },
        Dependency { name: "redis", required: false, probe: Box::new(redis) },
        Dependency { name: "s3", required: false, probe: Box::new(StorageProbe(storage)) },
    ]
}

/// Knows session tokens of the identity provider's by its keys, which are kept fresh.
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

/// Telemetry's client, and one that waits for the longest export.
fn telemetry_clients(config: &TelemetryConfig) -> Result<(telemetry::Client, telemetry::Client), Box<dyn Error>> {
    let client = || ClientBuilder::new(config.url.as_str()).token(config.token.expose_secret());
    Ok((client().telemetry()?, client().timeout(LONGEST_EXPORT).telemetry()?))
}

/// What comes back by itself: rows that make no difference any more are removed, holds that have run out
/// are ended, and what is open by now is offered to who waits.
fn housekeeping(runner: Runner, admin: &PgPool, database: &Database, keys: &OrganizationKeys) -> Runner {
    let [answers, sessions, holds, awaited, invited, texts] = [(); 6].map(|()| admin.clone());
    let keys = keys.clone();
    let offerer = waitlist::Offerer { waitlist: waiting(database, &keys), admin: admin.clone() };
    let database = database.clone();
    runner
        .handle(offerer)
        .every("waitlist_sweep", Duration::from_mins(1), move || waitlist::sweep(awaited.clone()))
        .every("idempotency_keys_expire", Duration::from_mins(10), move || answers_purge(answers.clone()))
        .every("invitations_expire", Duration::from_hours(6), move || invitation::sweep(invited.clone()))
        .every("sessions_expire", Duration::from_hours(1), move || clerk::sweep(sessions.clone()))
        .every("texts_seal", Duration::from_mins(10), move || texts_seal(texts.clone(), keys.clone()))
        .every("holds_expire", Duration::from_mins(1), move || {
            appointment::holds_expire(holds.clone(), database.clone())
        })
}

/// Configuration faults: all of them, and a status of their own.
#[allow(clippy::print_stderr, reason = "the log is not set up without a configuration")]
fn refused(faults: &ConfigFaults) -> ExitCode {
    eprintln!("{faults}");
    ExitCode::from(2)
}

#[allow(clippy::print_stderr, reason = "the last words of a command")]
fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server-core: {error}");
            ExitCode::FAILURE
        }
    }
}
