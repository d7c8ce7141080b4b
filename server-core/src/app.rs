//! Composition root: builds every service once, by constructor.

use std::{error::Error, sync::Arc, time::Duration};

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
    audit::{self, Forwarder, RefusedRequestWriter},
    config::{Config, TelemetryConfig},
    database::{self, Across, AppProbe, Connections, Database, PoolProbe},
    domain::{
        api_key, appointment, appointment_template, availability, calendar, clerk_event, consent, custom_field,
        form_template, gdpr, impersonation, invitation, me, member, onboarding, organization, organization_settings,
        patient, profile, schedule, specialist, specialty, user, video, waitlist,
    },
    encryption::{Encryption, OrganizationKeys, texts_seal},
    event::Reactions,
    holding::Holdings,
    http::{
        self, ApiKeys, Authentication, Budgets, CallerLimits, Changes, Directory, Feeds, Idempotency, Identities,
        Impersonations, Sessions, answers_purge, scanners,
    },
    identity::{Listeners, Secrets},
    integration::{
        clerk,
        daily::Daily,
        redis::{self, RedisProbe},
        s3::{Storage, StorageProbe},
    },
    jobs::{self, Runner},
    name_keys::values_refresh,
};

/// Longest time that an export by Telemetry may take; Telemetry's other requests have the client's usual timeout.
const LONGEST_EXPORT: Duration = Duration::from_mins(30);

/// All operations of the service.
pub(crate) type Api = (
    HealthApi,
    Accounts,
    impersonation::Api,
    clerk_event::Api,
    Organizations,
    Members,
    api_key::Api,
    specialty::Api,
    specialist::Api,
    Patients,
    Fields,
    Scheduling,
    appointment::Api,
    calendar::Api,
    video::Api,
    gdpr::Api,
);

/// Public keys of tokens, and the caller's own account.
type Accounts = (user::KeyApi, me::Api);
/// Clinics and their settings.
type Organizations = (organization::Api, organization_settings::Api);
/// Members of organizations, invitations, and the deletion of accounts.
type Members = (member::Api, invitation::Api, gdpr::AccountApi);
/// Records of patients, and their onboarding.
type Patients = (patient::Api, onboarding::Api);
/// Custom fields, and the profiles that have their values.
type Fields = (custom_field::Api, profile::Api, form_template::Api);
/// Schedules of specialists, kinds of appointments, open slots, and the waitlist.
type Scheduling = (schedule::Api, appointment_template::Api, availability::Api, waitlist::Api);

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

/// Holdings of every module, in the order in which an erasure processes them: logins come first, and the rows by which
/// others are found come last.
pub(crate) const HOLDINGS: Holdings = Holdings::new(&[
    http::HOLDINGS,
    invitation::HOLDINGS,
    calendar::HOLDINGS,
    member::HOLDINGS,
    video::HOLDINGS,
    waitlist::HOLDINGS,
    appointment::HOLDINGS,
    consent::HOLDINGS,
    patient::HOLDINGS,
    schedule::HOLDINGS,
    specialist::HOLDINGS,
    profile::HOLDINGS,
    impersonation::HOLDINGS,
    api_key::HOLDINGS,
    jobs::HOLDINGS,
    audit::HOLDINGS,
    user::HOLDINGS,
]);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let stop = shutdown::signal();
    let jobs = Shutdown::new();
    let metrics = Metrics::install(&jobs)?.counting(|| allocator::allocated(&crate::ALLOCATOR));

    let stores = Stores::connect(&config).await?;
    let (across, limiter) = (stores.across.clone(), stores.limiter.clone());
    jobs.spawn("rate limits", |stop| limiter.clone().share(stop));
    let (telemetry, exports) = telemetry_clients(&config.telemetry)?;
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
            exports,
            people.members.clone(),
        ),
        people,
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

/// Lists the reactions to events. A reaction that is missing here never runs.
fn reactions() -> Reactions {
    Reactions::default()
        .on("rooms follow their appointments", video::room_follow)
        .on("consents are sent to Telemetry", consent::recorded_push)
        .on("consents follow a patient to its user", consent::patient_join)
        .on("freed time is offered to waiting patients", waitlist::offer_freed)
        .on("open slots are offered to patients who join the waitlist", waitlist::offer_open)
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

/// Services used by both operations and jobs.
struct Domains {
    database: Database,
    keys: OrganizationKeys,
    encryption: Arc<Encryption>,
    people: People,
    video: video::Service,
    clerk: clerk_event::Service,
    rights: gdpr::Service,
}

impl Domains {
    /// Registers every kind of job with the runner.
    fn workers(
        &self,
        runner: Runner,
        stores: &Stores,
        telemetry: &telemetry::Client,
        provider: clerk::Users,
    ) -> Runner {
        let (across, people) = (&stores.across, &self.people);
        housekeeping(runner, across, &self.database, (&self.keys, &self.encryption))
            .handle(user::AccessRevoker { across: across.clone(), telemetry: telemetry.clone() })
            .handle(video::RoomFollower(self.video.clone()))
            .handle(organization_settings::SettingsPusher { across: across.clone(), telemetry: telemetry.clone() })
            .handle(consent::ConsentPusher { across: across.clone(), telemetry: telemetry.clone() })
            .handle(consent::ConsentJoiner {
                database: self.database.clone(),
                patients: people.patients.clone(),
                telemetry: telemetry.clone(),
            })
            .handle(invitation::Inviter { invitations: people.invitations.clone(), clerk: provider.clone() })
            .handle(gdpr::Eraser {
                database: self.database.clone(),
                holdings: HOLDINGS,
                storage: stores.storage.clone(),
                telemetry: telemetry.clone(),
                clerk: provider,
                users: people.accounts.clone(),
                members: people.members.clone(),
            })
    }

    /// Builds the operations.
    fn api(self, health: HealthApi, secrets: KnownSecrets, feeds: Feeds) -> Api {
        let Self { database, keys, encryption, people, video, clerk, rights } = self;
        let People { accounts, members, patients, specialists, invitations } = people;
        let organizations = organization::Service::new(database.clone(), keys.clone());
        let impersonations =
            impersonation::Service::new(database.clone(), patients.clone(), keys.clone(), secrets.impersonations);
        let profiles = profile::Service::new(database.clone(), encryption, keys.clone());
        let onboarding = onboarding::Service {
            database: database.clone(),
            patients: patients.clone(),
            invitations: invitations.clone(),
            profiles: profiles.clone(),
        };
        (
            health,
            (user::KeyApi { users: accounts.clone() }, me::Api { users: accounts, invitations: invitations.clone() }),
            impersonation::Api { impersonations },
            clerk_event::Api { clerk },
            (
                organization::Api { organizations },
                organization_settings::Api { settings: organization_settings::Service::new(database.clone()) },
            ),
            (member::Api { members }, invitation::Api { invitations }, gdpr::AccountApi { gdpr: rights.clone() }),
            api_key::Api { api_keys: api_key::Service::new(database.clone(), secrets.api_keys) },
            specialty::Api { specialties: specialty::Service::new(database.clone()) },
            specialist::Api { specialists },
            (patients.api(), onboarding::Api { onboarding }),
            (
                custom_field::Api { custom_fields: custom_field::Service::new(database.clone()) },
                profile::Api { profiles },
                form_template::Api { templates: form_template::Service::new(database.clone()) },
            ),
            scheduling(&database, &keys),
            appointment::Service::new(database.clone(), keys).api(),
            calendar::Api { calendar: calendar::Service::new(database, secrets.feeds), feeds },
            video::Api { video },
            gdpr::Api { gdpr: rights },
        )
    }
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
    fn new(database: &Database, signer: Arc<Ed25519Signer>, encryption: &Arc<Encryption>) -> Self {
        let accounts = user::Service::new(database.clone(), signer, Arc::clone(encryption));
        let members = member::Service::new(database.clone(), accounts.clone());
        let patients = patient::Service::new(database.clone(), Arc::clone(encryption));
        let specialists = specialist::Service::new(database.clone());
        let invitations = invitation::Service {
            database: database.clone(),
            encryption: Arc::clone(encryption),
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

/// Registers the periodic tasks: they delete rows that are no longer needed, expire lapsed holds, offer open slots to
/// waiting patients and seal remaining clear texts.
fn housekeeping(
    runner: Runner,
    across: &Across,
    database: &Database,
    (keys, encryption): (&OrganizationKeys, &Arc<Encryption>),
) -> Runner {
    let [answers, sessions, holds, awaited, invited, texts, departed, values] = [(); 8].map(|()| across.clone());
    let (keys, encryption) = (keys.clone(), Arc::clone(encryption));
    let offerer = waitlist::Offerer { waitlist: waiting(database, &keys), across: across.clone() };
    let database = database.clone();
    runner
        .handle(offerer)
        .every("waitlist_sweep", Duration::from_mins(1), move || waitlist::sweep(awaited.clone()))
        .every("idempotency_keys_expire", Duration::from_mins(10), move || answers_purge(answers.clone()))
        .every("invitations_expire", Duration::from_hours(6), move || invitation::sweep(invited.clone()))
        .every("calendar_departures_expire", Duration::from_hours(6), move || {
            calendar::departures_expire(departed.clone())
        })
        .every("sessions_expire", Duration::from_hours(1), move || clerk_event::sweep(sessions.clone()))
        .every("texts_seal", Duration::from_mins(10), move || texts_seal(texts.clone(), keys.clone()))
        .every("values_refresh", Duration::from_mins(1), move || {
            values_refresh(values.clone(), Arc::clone(&encryption))
        })
        .every("holds_expire", Duration::from_mins(1), move || {
            appointment::holds_expire(holds.clone(), database.clone())
        })
}
