//! Domains: their operations, jobs, reactions and holdings. A new domain is registered here.

use std::{sync::Arc, time::Duration};

use restartix_sdk::telemetry;
use server_shared::{http::health::HealthApi, token::Ed25519Signer};

use super::{KnownSecrets, Stores};
use crate::{
    audit,
    database::{Across, Database},
    domain::{
        api_key, appointment, appointment_form, appointment_template, availability, calendar, clerk_event, consent,
        custom_field, export, form, form_template, gdpr, impersonation, invitation, me, member, onboarding,
        organization, organization_settings, patient, profile, schedule, segment, specialist, specialty, user, video,
        waitlist,
    },
    encryption::{Encryption, OrganizationKeys, texts_seal},
    event::Reactions,
    holding::Holdings,
    http::{self, Feeds, answers_purge},
    integration::{clerk, s3::Storage},
    jobs::{self, Runner},
    name_keys::values_refresh,
};

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
    Appointments,
    calendar::Api,
    video::Api,
    Rights,
);

/// Rights of persons, and exports of tables.
type Rights = (gdpr::Api, export::Api);
/// Public keys of tokens, and the caller's own account.
type Accounts = (user::KeyApi, me::Api);
/// Clinics and their settings.
type Organizations = (organization::Api, organization_settings::Api);
/// Members of organizations, invitations, and the deletion of accounts.
type Members = (member::Api, invitation::Api, gdpr::AccountApi);
/// Records of patients, their onboarding, and segments of them.
type Patients = (patient::Api, onboarding::Api, segment::Api);
/// Custom fields, the profiles that have their values, and forms with their templates.
type Fields = (custom_field::Api, profile::Api, form_template::Api, form::Api);
/// Appointments, and the creation of their forms.
type Appointments = (appointment::Api, appointment_form::Api);
/// Schedules of specialists, kinds of appointments, open slots, and the waitlist.
type Scheduling = (schedule::Api, appointment_template::Api, availability::Api, waitlist::Api);

/// Holdings of every module, in the order in which an erasure processes them: logins come first, and the rows by which
/// others are found come last.
pub(crate) const HOLDINGS: Holdings = Holdings::new(&[
    http::HOLDINGS,
    export::HOLDINGS,
    invitation::HOLDINGS,
    calendar::HOLDINGS,
    member::HOLDINGS,
    video::HOLDINGS,
    waitlist::HOLDINGS,
    appointment::HOLDINGS,
    consent::HOLDINGS,
    patient::HOLDINGS,
    form::HOLDINGS,
    segment::HOLDINGS,
    schedule::HOLDINGS,
    specialist::HOLDINGS,
    profile::HOLDINGS,
    impersonation::HOLDINGS,
    api_key::HOLDINGS,
    jobs::HOLDINGS,
    audit::HOLDINGS,
    user::HOLDINGS,
]);

/// Lists the reactions to events. A reaction that is missing here never runs.
pub(super) fn reactions() -> Reactions {
    Reactions::default()
        .on("rooms follow their appointments", video::room_follow)
        .on("consents are sent to Telemetry", consent::recorded_push)
        .on("consents follow a patient to its user", consent::patient_join)
        .on("freed time is offered to waiting patients", waitlist::offer_freed)
        .on("open slots are offered to patients who join the waitlist", waitlist::offer_open)
        .on("segments follow patients", segment::patients_follow)
        .on("segments follow profiles", segment::profiles_follow)
        .on("segments follow appointments", segment::appointments_follow)
        .on("segments follow forms", segment::forms_follow)
        .on("segments follow custom fields", segment::fields_follow)
        .on("segments follow form templates", segment::form_templates_follow)
        .on("segments follow the time zone", segment::zones_follow)
        .on("segments follow those that they read", segment::segments_follow)
        .on("new rules are evaluated", segment::segment_evaluate)
}

/// Services used by both operations and jobs.
pub(super) struct Domains {
    pub(super) database: Database,
    pub(super) keys: OrganizationKeys,
    pub(super) encryption: Arc<Encryption>,
    pub(super) people: People,
    pub(super) forms: form::Service,
    pub(super) exports: export::Service,
    pub(super) video: video::Service,
    pub(super) clerk: clerk_event::Service,
    pub(super) rights: gdpr::Service,
}

impl Domains {
    /// Registers every kind of job with the runner.
    pub(super) fn workers(
        &self,
        runner: Runner,
        stores: &Stores,
        telemetry: &telemetry::Client,
        provider: clerk::Users,
    ) -> Runner {
        let (across, people) = (&stores.across, &self.people);
        let (database, storage) = (self.database.clone(), stores.storage.clone());
        housekeeping(runner, across, &self.database, (&self.keys, &self.encryption))
            .every("exports_sweep", Duration::from_mins(1), move || {
                export::exports_sweep(database.clone(), storage.clone())
            })
            .handle(export::FileMaker(self.exports.clone()))
            .handle(user::AccessRevoker { across: across.clone(), telemetry: telemetry.clone() })
            .handle(video::RoomFollower(self.video.clone()))
            .handle(organization_settings::SettingsPusher { across: across.clone(), telemetry: telemetry.clone() })
            .handle(consent::ConsentPusher { across: across.clone(), telemetry: telemetry.clone() })
            .handle(consent::ConsentJoiner {
                database: self.database.clone(),
                patients: people.patients.clone(),
                telemetry: telemetry.clone(),
            })
            .handle(segment::SegmentsFollower { across: across.clone() })
            .handle(segment::SegmentEvaluator { segments: segment::Service::new(self.database.clone()) })
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
    pub(super) fn api(self, health: HealthApi, secrets: KnownSecrets, feeds: Feeds) -> Api {
        let Self { database, keys, encryption, people, forms, exports, video, clerk, rights } = self;
        let People { accounts, members, patients, specialists, invitations } = people;
        let organizations = organization::Service::new(database.clone(), keys.clone());
        let impersonations =
            impersonation::Service::new(database.clone(), patients.clone(), keys.clone(), secrets.impersonations);
        let profiles = profile::Service::new(database.clone(), encryption, keys.clone());
        let appointments = appointment::Service::new(database.clone(), keys.clone());
        let appointment_forms = appointment_form::Service {
            database: database.clone(),
            appointments: appointments.clone(),
            forms: forms.clone(),
        };
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
            (patients.api(), onboarding::Api { onboarding }, segment::Service::new(database.clone()).api()),
            (
                custom_field::Api { custom_fields: custom_field::Service::new(database.clone()) },
                profile::Api { profiles },
                form_template::Api { templates: form_template::Service::new(database.clone()) },
                forms.api(),
            ),
            scheduling(&database, &keys),
            (appointments.api(), appointment_form::Api { appointment_forms }),
            calendar::Api { calendar: calendar::Service::new(database, secrets.feeds), feeds },
            video::Api { video },
            (gdpr::Api { gdpr: rights }, export::Api { exports }),
        )
    }
}

/// Services for users, members, invitations, and the records of patients and specialists.
pub(super) struct People {
    pub(super) accounts: user::Service,
    pub(super) members: member::Service,
    patients: patient::Service,
    specialists: specialist::Service,
    invitations: invitation::Service,
}

impl People {
    pub(super) fn new(database: &Database, signer: Arc<Ed25519Signer>, encryption: &Arc<Encryption>) -> Self {
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

/// Builds the service for forms, which keeps versions of templates in memory.
pub(super) fn forms(
    database: &Database,
    encryption: &Arc<Encryption>,
    keys: &OrganizationKeys,
    people: &People,
) -> form::Service {
    let profiles = profile::Service::new(database.clone(), Arc::clone(encryption), keys.clone());
    form::Service::new(database.clone(), Arc::clone(encryption), profiles, people.patients.clone())
}

/// Builds the service for exports of tables; `connections` is the largest number of connections of a pool.
pub(super) fn exports(
    database: &Database,
    keys: &OrganizationKeys,
    people: &People,
    forms: &form::Service,
    (storage, connections): (Storage, u32),
) -> export::Service {
    let appointments = appointment::Service::new(database.clone(), keys.clone());
    let tables = (people.patients.clone(), appointments, forms.clone());
    export::Service::new(database.clone(), keys.clone(), storage, tables, connections)
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

/// Registers the periodic tasks: they delete rows that are no longer needed, expire lapsed holds, offer open slots to
/// waiting patients, evaluate segments that are due, find overdue forms and seal remaining clear texts.
fn housekeeping(
    runner: Runner,
    across: &Across,
    database: &Database,
    (keys, encryption): (&OrganizationKeys, &Arc<Encryption>),
) -> Runner {
    let [answers, sessions, holds, awaited, invited, texts, departed, values, due, segments] =
        [(); 10].map(|()| across.clone());
    let (keys, encryption) = (keys.clone(), Arc::clone(encryption));
    let offerer = waitlist::Offerer { waitlist: waiting(database, &keys), across: across.clone() };
    let (database, of_forms) = (database.clone(), database.clone());
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
        .every("forms_overdue", Duration::from_mins(1), move || form::forms_overdue(due.clone(), of_forms.clone()))
        .every("segments_sweep", Duration::from_secs(20), move || segment::segments_sweep(segments.clone()))
        .every("holds_expire", Duration::from_mins(1), move || {
            appointment::holds_expire(holds.clone(), database.clone())
        })
}
