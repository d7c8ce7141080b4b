//! Requests for every operation that succeed for every caller with permission.

use std::{borrow::Cow, cell::Cell};

use restartix_sdk::core::types::{Appointment, BeginImpersonation, JobState, Patient};
use serde_json::{Value, json};
use test_support::{
    Actor, ClerkApi, CoreApp, CoreBuilder, DailyApi, Fixture, Operation, Person, Role, TelemetryApp, eventually,
    granted, in_days,
};
use uuid::Uuid;

use super::asker::{Asker, scopes};

/// Services that several Cores share: Telemetry, which holds a part of each person's data, the identity provider, where
/// accounts are deleted, and Daily, where video appointments take place.
pub(crate) struct Surroundings {
    telemetry: TelemetryApp,
    clerk: ClerkApi,
    daily: DailyApi,
}

impl Surroundings {
    pub(crate) async fn start() -> Self {
        let (clerk, daily) = (ClerkApi::start([]).await, DailyApi::start().await);
        Self { telemetry: TelemetryApp::start().await, clerk, daily }
    }
}

/// Clinic with data for every operation.
pub(crate) struct World {
    pub(crate) app: CoreApp,
    /// Operations of the specification.
    pub(crate) operations: Vec<Operation>,
    /// Patient of the home clinic.
    pub(crate) patient: Patient,
    /// Appointment of that patient with the home clinic's specialist.
    pub(crate) appointment: Appointment,
    /// Last day with an appointment, in days from today.
    day: Cell<u64>,
    /// User id of the caller; that of the home clinic's staff for a program.
    pub(super) asker: Cell<i64>,
    /// Clinic that the caller is not a member of.
    pub(super) elsewhere: Cell<i64>,
}

impl World {
    pub(crate) async fn start(around: &Surroundings) -> Self {
        Self::of(CoreApp::builder(), around).await
    }

    /// Starts the clinic with a proxy before PostgreSQL.
    pub(crate) async fn proxied(around: &Surroundings) -> Self {
        Self::of(CoreApp::builder().proxied(), around).await
    }

    /// Starts the clinic with its statements counted.
    pub(crate) async fn counted(around: &Surroundings) -> Self {
        Self::of(CoreApp::builder().counted(), around).await
    }

    async fn of(builder: CoreBuilder, around: &Surroundings) -> Self {
        let builder = builder.env("TELEMETRY_INTERNAL_URL", around.telemetry.url());
        let builder = builder.env("CLERK_API_URL", around.clerk.url());
        let builder = builder.env("CLERK_SECRET_KEY", around.clerk.secret_key());
        let builder = builder.env("DAILY_REST_DOMAIN", around.daily.url());
        let app = builder.env("DAILY_API_KEY", around.daily.api_key()).start().await;
        let patient = app.patient_record().await;
        let specialist = app.home().specialist_id;
        app.works_always(specialist).await;
        let appointment = app.appointment_create(&app.admin(), specialist, patient.id, in_days(1, 9)).await;
        let (asker, operations) = (Cell::new(app.home().staff.user_id), Operation::all(&app.server));
        let elsewhere = Cell::new(app.organization_add("Lakeview Clinic").await.id);
        Self { app, operations, patient, appointment, day: Cell::new(1), asker, elsewhere }
    }

    /// Returns the caller with this name in the grid.
    pub(crate) async fn asker(&self, name: &str) -> Asker {
        let app = &self.app;
        let person = match name {
            "superadmin" => app.superadmin().in_organization(app.home().id),
            "admin" => app.admin(),
            "specialist" => app.specialist(),
            "staff" => app.staff(),
            "patient" => app.patient(),
            "key" => return Asker::Program(app.program(&scopes(&self.operations)).await),
            "other-specialist" => self.other_specialist().await,
            "other-patient" => self.other_patient().await,
            _ => panic!("nobody is called {name}"),
        };
        self.asker.set(person.person().user_id);
        Asker::Person(person)
    }

    /// Sets the person for whom the next fixtures are made.
    pub(super) fn asked_by(&self, person: &Person) {
        self.asker.set(person.user_id);
    }

    /// Returns a caller with the same role as `name` whose account may be deleted.
    pub(crate) async fn leaver(&self, name: &str) -> Asker {
        let role = match name {
            "admin" => Role::Admin,
            "specialist" | "other-specialist" => Role::Specialist,
            "patient" | "other-patient" => Role::Patient,
            _ => Role::Staff,
        };
        if name == "key" {
            return self.asker(name).await;
        }
        let person = self.app.member_add(role).await;
        if name == "superadmin" {
            let sql = "with gone as (delete from memberships where user_id = $1)
                       update users set superadmin = true, current_organization_id = null where id = $1";
            let promoted = sqlx::query(sql).bind(person.user_id).execute(&mut self.app.owner().await).await;
            promoted.expect("a superadmin can be seeded");
            return Asker::Person(self.app.actor(&person).in_organization(self.app.home().id));
        }
        Asker::Person(self.app.actor(&person))
    }

    async fn other_specialist(&self) -> Actor {
        let person = self.app.member_add(Role::Specialist).await;
        let (app, admin) = (&self.app, self.app.admin());
        app.specialist_link(&admin, app.specialist_create(&admin, "Dr. Other").await.id, &person).await;
        self.app.actor(&person)
    }

    async fn other_patient(&self) -> Actor {
        let person = self.app.member_add(Role::Patient).await;
        self.app.patient_of(&person, CoreApp::new_patient("Olga", "Other")).await;
        self.app.actor(&person)
    }

    /// Asserts that an answer to another patient or specialist contains neither the patient nor the appointment.
    pub(super) fn assert_hides(&self, asker: &str, operation: &str, answer: &str) {
        if asker.starts_with("other") {
            for uid in [self.patient.uid, self.appointment.uid] {
                assert!(!answer.contains(&uid.to_string()), "{operation} tells {asker} of another's: {answer}");
            }
        }
    }

    /// Creates an entry for a list, by the fixture of the operation that deletes one.
    pub(crate) async fn listed(&self, list: &Operation) {
        let deleted = list.id.strip_suffix("list").map(|noun| format!("{noun}delete"));
        if let Some(delete) = self.operations.iter().find(|operation| Some(&operation.id) == deleted.as_ref()) {
            self.fixture(&delete.id).await;
        }
    }

    /// Builds a request for the operation on existing data.
    pub(crate) async fn fixture(&self, operation: &str) -> Fixture {
        let fixture = match operation.split('_').next().unwrap_or_default() {
            "health" | "ready" | "jwks" | "clerk" => public(operation),
            "calendar" => self.of_calendar(operation).await,
            "custom" => match self.of_custom_field(operation).await {
                None => self.of_plain(operation).await,
                fixture => fixture,
            },
            _ if operation.contains("_profile_") => self.of_profile(operation).await,
            _ if ["appointment_from_template", "appointment_forms_attach", "me_form_list", "patient_prefill_get"]
                .contains(&operation) =>
            {
                self.of_appointment_form(operation).await
            }
            "video" => self.of_video(operation).await,
            "waitlist" => self.of_waitlist(operation).await,
            "me" if operation.starts_with("me_invitation_") => self.of_own_invitation().await,
            "invitation" => self.of_invitation(operation).await,
            "me" | "organization" => self.of_organization(operation).await,
            "member" => self.of_member(operation).await,
            "api" => self.of_api_key(operation).await,
            "impersonation" => self.of_impersonation(operation).await,
            "specialist" => match self.of_specialist(operation).await {
                None => self.of_schedule(operation).await,
                fixture => fixture,
            },
            "patient" if operation == "patient_segment_list" => self.of_segment(operation).await,
            "patient" => self.of_patient(operation).await,
            "segment" => self.of_segment(operation).await,
            "appointment" if operation.starts_with("appointment_template_") => {
                self.of_appointment_template(operation).await
            }
            "appointment" if operation.starts_with("appointment_series_") => self.of_series(operation).await,
            "appointment" => match self.of_appointment(operation).await {
                None => self.of_booking(operation).await,
                fixture => fixture,
            },
            "form" if operation.starts_with("form_template_") => match self.of_form_template(operation).await {
                None => self.of_plain(operation).await,
                fixture => fixture,
            },
            "form" => self.of_form(operation).await,
            "gdpr" => self.of_person(operation).await,
            "csv" | "export" => self.of_export(operation).await,
            _ => self.of_plain(operation).await,
        };
        fixture.unwrap_or_else(|| panic!("add a fixture for {operation} to matrix/fixture.rs"))
    }

    pub(super) fn home(&self) -> Fixture {
        Fixture::default().with("organization_id", &self.app.home().id)
    }

    async fn of_organization(&self, operation: &str) -> Option<Fixture> {
        let home = self.app.home();
        Some(match operation {
            // Its answer includes the caller's invitations.
            "me_get" => {
                self.of_own_invitation().await;
                Fixture::default()
            }
            "me_delete" | "me_telemetry_token_create" | "organization_list" => Fixture::default(),
            "me_organization_switch" => Fixture::default().body(json!({ "organization_id": home.id })),
            "organization_create" => {
                Fixture::default().body(json!({ "name": "Lakeside Clinic", "timezone": "Europe/Berlin" }))
            }
            "organization_find" => Fixture::default().with("slug", &home.slug),
            "organization_get" | "organization_settings_get" => self.home(),
            "organization_settings_update" => {
                let version = crate::organization_settings::settings(&self.app.admin(), home.id).await.version;
                self.home().body(json!({ "version": version, "record_access": { "after_treatment_days": 300 } }))
            }
            "organization_update" => self.home().body(json!({ "name": "Riverside", "timezone": "Europe/Berlin" })),
            _ => return None,
        })
    }

    async fn of_specialist(&self, operation: &str) -> Option<Fixture> {
        let home = self.app.home();
        let own = || Fixture::default().with("specialist_id", &home.specialist_id);
        Some(match operation {
            "specialist_list" => Fixture::default(),
            "specialist_create" => Fixture::default().body(value(&CoreApp::new_specialist("Dr. New"))),
            "specialist_get" => own(),
            "specialist_update" => own().body(value(&CoreApp::new_specialist("Dr. Renamed"))),
            "specialist_link" => {
                let record = self.app.specialist_create(&self.app.admin(), "Dr. Unlinked").await.id;
                let member = self.app.member_add(Role::Specialist).await.user_id;
                Fixture::default().with("specialist_id", &record).body(json!({ "user_id": member }))
            }
            "specialist_unlink" => {
                let (admin, person) = (self.app.admin(), self.app.member_add(Role::Specialist).await);
                let record = self.app.specialist_create(&admin, "Dr. Linked").await.id;
                self.app.specialist_link(&admin, record, &person).await;
                Fixture::default().with("specialist_id", &record)
            }
            "specialist_delete" => {
                let leaving = self.app.specialist_create(&self.app.admin(), "Dr. Leaving").await;
                Fixture::default().with("specialist_id", &leaving.id)
            }
            _ => return None,
        })
    }

    async fn of_patient(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let own = || Fixture::default().with("patient_id", &self.patient.id);
        Some(match operation {
            "patient_list" => Fixture::default(),
            "patient_create" => Fixture::default().body(value(&CoreApp::new_patient("Ann", "Lee"))),
            "patient_onboard" => {
                let email = format!("{}@example.org", Uuid::now_v7().simple());
                let consent = json!({ "purpose": "media", "granted": true, "text_version": "2026-11" });
                Fixture::default().body(json!({
                    "patient": value(&CoreApp::new_patient("Ann", "Onboarded")),
                    "login": { "email": email },
                    "consents": [consent],
                }))
            }
            "patient_get" => own(),
            "patient_update" => {
                let standing = granted(admin.patient_get().patient_id(self.patient.id).send().await, 200);
                own().body(json!({
                    "version": standing.version, "first_name": "Pia", "last_name": "Renamed",
                }))
            }
            "patient_delete" => {
                Fixture::default().with("patient_id", &self.app.patient_create(&admin, "Ann", "Leaving").await.id)
            }
            "patient_impersonate" => own().body(value(&impersonating())),
            "patient_link" => {
                let record = self.app.patient_create(&admin, "Ann", "Unlinked").await.id;
                let member = self.app.member_add(Role::Patient).await.user_id;
                Fixture::default().with("patient_id", &record).body(json!({ "user_id": member }))
            }
            "patient_merge" => {
                let create = async |name| self.app.patient_create(&admin, "Ann", name).await;
                let (stays, twin) = (create("Twice").await, create("Twofold").await);
                Fixture::default().with("patient_id", &stays.id).body(json!({
                    "merged_patient_id": twin.id, "version": stays.version, "merged_version": twin.version,
                }))
            }
            "patient_unlink" => {
                let person = self.app.member_add(Role::Patient).await;
                let record = self.app.patient_of(&person, CoreApp::new_patient("Ann", "Linked")).await.id;
                Fixture::default().with("patient_id", &record)
            }
            _ => return None,
        })
    }

    /// Returns a day on which the specialist and the patient have no other appointment.
    pub(super) fn next_day(&self) -> u64 {
        self.day.set(self.day.get() + 1);
        self.day.get()
    }

    fn booking(&self) -> Value {
        let begins = in_days(self.next_day(), 9);
        value(&CoreApp::new_appointment(self.app.home().specialist_id, self.patient.id, begins))
    }

    /// Creates an appointment of the specialist with the patient.
    pub(super) async fn booked(&self) -> Appointment {
        let (specialist, begins) = (self.app.home().specialist_id, in_days(self.next_day(), 9));
        self.app.appointment_create(&self.app.admin(), specialist, self.patient.id, begins).await
    }

    async fn of_appointment(&self, operation: &str) -> Option<Fixture> {
        let by_id = |appointment: &Appointment| Fixture::default().with("appointment_id", &appointment.id);
        Some(match operation {
            "appointment_list" => Fixture::default(),
            "appointment_create" => Fixture::default().body(self.booking()),
            "appointment_get" => by_id(&self.appointment),
            "appointment_find" => Fixture::default().with("uid", &self.appointment.uid),
            "appointment_update" => {
                let appointment = self.booked().await;
                let mut body = self.booking();
                body["version"] = appointment.version.into();
                by_id(&appointment).body(body)
            }
            "appointment_cancel" => by_id(&self.booked().await).body(json!({ "reason": "patient_request" })),
            "appointment_delete" => by_id(&self.booked().await),
            _ => return None,
        })
    }

    async fn of_person(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let patient = || async { self.app.patient_create(&admin, "Ann", "Gone").await.id };
        Some(match operation {
            "gdpr_user_export" | "gdpr_user_erase" | "gdpr_user_anonymize" => {
                Fixture::default().with("user_id", &self.app.member_add(Role::Patient).await.user_id)
            }
            "gdpr_patient_export" | "gdpr_patient_erase" | "gdpr_patient_anonymize" => {
                Fixture::default().with("patient_id", &patient().await)
            }
            "gdpr_job_get" => Fixture::default().with("job_id", &planned(&admin, patient().await).await),
            _ => return None,
        })
    }
}

/// Returns the request for a public operation. Messages of the identity provider are signed; this one is not.
fn public(operation: &str) -> Option<Fixture> {
    Some(match operation {
        "health_get" | "ready_get" | "jwks_get" => Fixture::default(),
        "clerk_webhook_receive" => {
            Fixture::default().body(json!({ "type": "user.deleted", "data": { "id": "user_1" } }))
        }
        _ => return None,
    })
}

pub(super) fn impersonating() -> BeginImpersonation {
    BeginImpersonation { minutes: Some(10), reason: "Called on the phone".to_owned() }
}

/// Requests the plan of an erasure and waits until it is made.
pub(super) async fn planned(admin: &Actor, patient: i64) -> Uuid {
    let asked = granted(admin.gdpr_patient_erase().patient_id(patient).dry_run(true).send().await, 202);
    eventually("the plan is made", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(asked.job_id).send().await, 200);
        job.status == JobState::Succeeded
    })
    .await;
    asked.job_id
}

/// Returns the error code for an unknown id in the path: that of the operation's noun, unless the operation looks up
/// something else.
pub(super) fn not_found(operation: &str) -> Cow<'static, str> {
    let noun = operation.rsplit_once('_').map_or(operation, |(noun, _)| noun);
    match (operation.split('_').next().unwrap_or_default(), noun) {
        ("organization", _) => "organization_not_found".into(),
        ("me", _) => "invitation_not_found".into(),
        ("specialist", _) => "specialist_not_found".into(),
        ("custom", _) => "custom_field_not_found".into(),
        ("patient", "patient_profile" | "patient_prefill" | "patient_segment") | ("gdpr", "gdpr_patient") => {
            "patient_not_found".into()
        }
        ("appointment", "appointment_template" | "appointment_series") => format!("{noun}_not_found").into(),
        ("appointment" | "video", _) => "appointment_not_found".into(),
        ("form", "form_history" | "form_write_back") => "form_not_found".into(),
        // A version is looked up by its template.
        ("form", _) if operation == "form_template_version_list" => "form_template_not_found".into(),
        // A rule is explained for a patient.
        ("segment", _) if operation == "segment_explain" => "patient_not_found".into(),
        ("segment", _) => "segment_not_found".into(),
        ("gdpr", "gdpr_user") => "user_not_found".into(),
        ("gdpr", _) => "erasure_not_found".into(),
        ("export", _) => "export_not_found".into(),
        _ => format!("{noun}_not_found").into(),
    }
}

/// Returns the code with which an operation refuses a caller who may use another operation of its kind.
pub(super) fn forbidden(operation: &str, asker: &str) -> &'static str {
    match (operation, asker) {
        // The hold belongs to the administrator; others of the clinic may see it.
        ("appointment_hold_delete", "superadmin" | "staff" | "patient" | "key") => "hold_not_own",
        ("video_token_create", "superadmin") => "not_a_participant",
        ("form_sign", "superadmin") => "form_signer_forbidden",
        _ => "permission_denied",
    }
}

pub(super) fn value(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).expect("a body is JSON")
}
