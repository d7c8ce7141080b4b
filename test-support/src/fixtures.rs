//! What tests book and treat, made through the API as a front end makes it.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, CreateApiKey, CreateAppointment, CreatePatient, Patient, Scope, Specialist, SpecialistInput,
};

use crate::{Actor, CoreApp, Program, granted};

/// A moment `days` from today at `hour` o'clock, UTC.
pub fn in_days(days: u64, hour: u32) -> DateTime<Utc> {
    let date = Utc::now().date_naive().checked_add_days(Days::new(days)).expect("a date of this century");
    date.and_time(NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day")).and_utc()
}

impl CoreApp {
    /// What a patient with nothing but a name is created from.
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
            user_id: None,
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
        let body = CreatePatient { user_id: Some(self.home().patient.user_id), ..Self::new_patient("Pia", "Own") };
        granted(self.admin().patient_create().body(body).send().await, 201)
    }

    /// What a specialist without a login is created from.
    pub fn new_specialist(name: &str) -> SpecialistInput {
        SpecialistInput {
            bookable: None,
            name: name.to_owned(),
            specialty_ids: Vec::new(),
            timezone: "Europe/Berlin".to_owned(),
            title: None,
            user_id: None,
        }
    }

    /// A specialist without a login, created by `actor`.
    pub async fn specialist_create(&self, actor: &Actor, name: &str) -> Specialist {
        granted(actor.specialist_create().body(Self::new_specialist(name)).send().await, 201)
    }

    /// What an appointment of an hour is created from.
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
}
