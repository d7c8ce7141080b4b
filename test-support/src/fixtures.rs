//! Patients, specialists, appointments and templates for tests, created through the API as a front end does.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, AppointmentTemplate, AppointmentTemplateInput, CreateApiKey, CreateAppointment,
    CreateAppointmentSeries, CreatePatient, LinkRecord, Modality, Patient, Recurrence, RecurrenceFrequency,
    ScheduleException, ScheduleExceptionKind, Scope, Specialist, SpecialistInput, SpecialistSchedule,
    UpdateSpecialistSchedule, WorkingHours,
};

use crate::{Actor, CoreApp, Person, Program, granted};

/// A moment `days` from today at `hour` o'clock, UTC.
pub fn in_days(days: u64, hour: u32) -> DateTime<Utc> {
    let date = Utc::now().naive_utc().date().checked_add_days(Days::new(days)).expect("a date of this century");
    date.and_time(NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day")).and_utc()
}

impl CoreApp {
    /// Returns the body that creates a patient with nothing but a name.
    pub fn new_patient(first_name: &str, last_name: &str) -> CreatePatient {
        CreatePatient {
            address: None,
            clinical_notes: None,
            date_of_birth: None,
            email: None,
            emergency_contact: None,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            national_id: None,
            phone: None,
        }
    }

    /// A program of home's with these scopes, e.g. `patients:read`.
    pub async fn program(&self, scopes: &[Scope]) -> Program {
        let body = CreateApiKey { expires_at: None, name: "A program".to_owned(), scopes: scopes.to_vec() };
        let created =
            granted(self.admin().api_key_create().organization_id(self.home().id).body(body).send().await, 201);
        Program::new(&self.url(), &created.secret)
    }

    /// A patient with nothing but a name, created by `actor`.
    pub async fn patient_create(&self, actor: &Actor, first_name: &str, last_name: &str) -> Patient {
        granted(actor.patient_create().body(Self::new_patient(first_name, last_name)).send().await, 201)
    }

    /// The record of home's patient: `app.patient()` sees it from then on.
    pub async fn patient_record(&self) -> Patient {
        self.patient_of(&self.home().patient, Self::new_patient("Pia", "Own")).await
    }

    /// A patient record of home's that is a member's own.
    pub async fn patient_of(&self, person: &Person, record: CreatePatient) -> Patient {
        let admin = self.admin();
        let created = granted(admin.patient_create().body(record).send().await, 201);
        self.patient_link(&admin, created.id, person).await;
        Patient { user_id: Some(person.user_id), version: created.version + 1, ..created }
    }

    /// Links a patient record to a member: `admin` invites, and the member accepts.
    pub async fn patient_link(&self, admin: &Actor, patient: i64, person: &Person) {
        let body = LinkRecord { email: None, user_id: Some(person.user_id) };
        let invited = granted(admin.patient_link().patient_id(patient).body(body).send().await, 201);
        granted(self.actor(person).me_invitation_accept().invitation_id(invited.id).send().await, 200);
    }

    /// Links a specialist record to a member: `admin` invites, and the member accepts.
    pub async fn specialist_link(&self, admin: &Actor, specialist: i64, person: &Person) {
        let body = LinkRecord { email: None, user_id: Some(person.user_id) };
        let invited = granted(admin.specialist_link().specialist_id(specialist).body(body).send().await, 201);
        granted(self.actor(person).me_invitation_accept().invitation_id(invited.id).send().await, 200);
    }

    /// Returns the body that creates a specialist without a login.
    pub fn new_specialist(name: &str) -> SpecialistInput {
        SpecialistInput {
            bookable: None,
            name: name.to_owned(),
            specialty_ids: Vec::new(),
            timezone: "Europe/Berlin".to_owned(),
            title: None,
        }
    }

    /// A specialist without a login, created by `actor`.
    pub async fn specialist_create(&self, actor: &Actor, name: &str) -> Specialist {
        granted(actor.specialist_create().body(Self::new_specialist(name)).send().await, 201)
    }

    /// Returns the body that creates an appointment of one hour.
    pub fn new_appointment(specialist: i64, patient: i64, started_at: DateTime<Utc>) -> CreateAppointment {
        CreateAppointment {
            ended_at: started_at + TimeDelta::hours(1),
            patient_id: patient,
            specialist_id: specialist,
            specialty_id: None,
            started_at,
            title: None,
        }
    }

    /// An appointment of an hour, booked by `actor`.
    pub async fn appointment_create(
        &self,
        actor: &Actor,
        specialist: i64,
        patient: i64,
        started_at: DateTime<Utc>,
    ) -> Appointment {
        let body = Self::new_appointment(specialist, patient, started_at);
        granted(actor.appointment_create().body(body).send().await, 201)
    }

    /// Returns the body that creates a series of appointments of one hour.
    pub fn new_series(
        specialist: i64,
        patient: i64,
        started_at: DateTime<Utc>,
        recurrence: Recurrence,
    ) -> CreateAppointmentSeries {
        CreateAppointmentSeries {
            ended_at: Some(started_at + TimeDelta::hours(1)),
            patient_id: patient,
            recurrence,
            specialist_id: specialist,
            specialty_id: None,
            started_at,
            template_id: None,
            title: None,
        }
    }

    /// The rule of a series of so many days.
    pub fn daily(count: i32) -> Recurrence {
        Recurrence {
            count: Some(count),
            frequency: RecurrenceFrequency::Daily,
            interval: None,
            until: None,
            weekdays: Vec::new(),
        }
    }

    /// The rule of a series of so many weeks.
    pub fn weekly(count: i32) -> Recurrence {
        Recurrence { frequency: RecurrenceFrequency::Weekly, ..Self::daily(count) }
    }

    /// A window of every week: 1 is Monday.
    pub fn window(weekday: i32, starts_at: &str, ends_at: &str) -> WorkingHours {
        WorkingHours { ends_at: ends_at.to_owned(), starts_at: starts_at.to_owned(), weekday }
    }

    /// The schedule, at its first version, of somebody who works every day from nine to five and was away on the first
    /// day of the year 2020; slots are of an hour.
    pub fn new_schedule() -> UpdateSpecialistSchedule {
        UpdateSpecialistSchedule {
            buffer_after_minutes: None,
            buffer_before_minutes: None,
            daily_cap: None,
            exceptions: vec![ScheduleException {
                ends_at: "2020-01-02T00:00".to_owned(),
                kind: ScheduleExceptionKind::Unavailable,
                starts_at: "2020-01-01T00:00".to_owned(),
            }],
            horizon_days: 366,
            hours: (1..=7).map(|weekday| Self::window(weekday, "09:00", "17:00")).collect(),
            minimum_notice_minutes: None,
            slot_minutes: 60,
            version: 1,
        }
    }

    /// Replaces a specialist's schedule.
    pub async fn schedule_set(
        &self,
        actor: &Actor,
        specialist: i64,
        schedule: UpdateSpecialistSchedule,
    ) -> SpecialistSchedule {
        granted(actor.specialist_schedule_update().specialist_id(specialist).body(schedule).send().await, 200)
    }

    /// Returns the body that creates a template of 45 minutes.
    pub fn new_appointment_template(name: &str) -> AppointmentTemplateInput {
        AppointmentTemplateInput {
            buffer_after_minutes: None,
            buffer_before_minutes: None,
            cancellation_cutoff_minutes: None,
            description: None,
            duration_minutes: 45,
            form_template_ids: Vec::new(),
            minimum_notice_minutes: None,
            modality: Modality::InPerson,
            name: name.to_owned(),
            reschedule_cutoff_minutes: None,
            slug: None,
            specialty_id: None,
        }
    }

    /// A template, created by `actor`.
    pub async fn appointment_template_create(
        &self,
        actor: &Actor,
        template: AppointmentTemplateInput,
    ) -> AppointmentTemplate {
        granted(actor.appointment_template_create().body(template).send().await, 201)
    }
}
