use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::mark::Phi;
use uuid::Uuid;

use crate::ids::{PatientId, UserId};

/// A person who is treated.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Patient {
    /// Its id.
    pub(crate) id: PatientId,
    /// Its name in links; says nothing about how many there are.
    pub(crate) uid: Uuid,
    /// The patient's login; absent for one who has none.
    pub(crate) user_id: Option<UserId>,
    /// First name.
    pub(crate) first_name: Phi<String>,
    /// Last name.
    pub(crate) last_name: Phi<String>,
    /// E-mail address.
    pub(crate) email: Option<Phi<String>>,
    /// Telephone number.
    pub(crate) phone: Option<Phi<String>>,
    /// Date of birth.
    pub(crate) date_of_birth: Option<Phi<NaiveDate>>,
    /// Number of a national identity document or health insurance.
    pub(crate) national_id: Option<Phi<String>>,
    /// Postal address.
    pub(crate) address: Option<Phi<String>>,
    /// Whom to call in an emergency.
    pub(crate) emergency_contact: Option<Phi<String>>,
    /// Notes of those who treat; absent for everybody else, whether there are any or not.
    pub(crate) clinical_notes: Option<Phi<String>>,
    /// Counts its changes; to be sent back with the next one.
    pub(crate) version: i64,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Patient {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        let input = CreatePatient::example();
        Self {
            id: PatientId(27),
            uid: Uuid::from_u128(0x0190_b6a0_7c1e_7b5e_9a55_0d2b_6d1f_3c11),
            user_id: None,
            first_name: input.first_name.into(),
            last_name: input.last_name.into(),
            email: input.email.map(Phi::from),
            phone: input.phone.map(Phi::from),
            date_of_birth: input.date_of_birth.map(Phi::from),
            national_id: input.national_id.map(Phi::from),
            address: input.address.map(Phi::from),
            emergency_contact: input.emergency_contact.map(Phi::from),
            clinical_notes: input.clinical_notes.map(Phi::from),
            version: 1,
            created_at,
            updated_at: created_at,
        }
    }
}

/// Values of a new patient.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreatePatient {
    /// First name.
    #[oai(validator(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) first_name: String,
    /// Last name.
    #[oai(validator(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) last_name: String,
    /// E-mail address, unique among the clinic's patients.
    #[oai(validator(min_length = 3, max_length = 254, pattern = r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$"))]
    pub(crate) email: Option<String>,
    /// Telephone number, best with its country's prefix.
    #[oai(validator(min_length = 3, max_length = 32, pattern = r"^\+?[0-9][0-9 ()/.-]+$"))]
    pub(crate) phone: Option<String>,
    /// Date of birth, between 1850 and today.
    pub(crate) date_of_birth: Option<NaiveDate>,
    /// Number of a national identity document or health insurance.
    #[oai(validator(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f]*[A-Za-z0-9][^\x00-\x1f\x7f]*$"))]
    pub(crate) national_id: Option<String>,
    /// Postal address.
    #[oai(validator(min_length = 1, max_length = 500))]
    pub(crate) address: Option<String>,
    /// Whom to call in an emergency.
    #[oai(validator(min_length = 1, max_length = 300))]
    pub(crate) emergency_contact: Option<String>,
    /// Notes of those who treat. Only they may send them; what anybody else sends leaves the
    /// notes as they are.
    #[oai(validator(min_length = 1, max_length = 20_000))]
    pub(crate) clinical_notes: Option<String>,
}

/// New values of a patient; a value that is left out is removed.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdatePatient {
    /// The version this change was made from; 409 `stale_version` when there is a newer one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// The record as it is to be.
    #[oai(flatten)]
    pub(crate) record: CreatePatient,
}

impl Example for CreatePatient {
    fn example() -> Self {
        Self {
            first_name: "Grace".to_owned(),
            last_name: "Sample".to_owned(),
            email: Some("grace.sample@example.com".to_owned()),
            phone: Some("+49 30 1234567".to_owned()),
            date_of_birth: NaiveDate::from_ymd_opt(1980, 2, 29),
            national_id: Some("L01X00T47".to_owned()),
            address: Some("1 Example Street, 10115 Berlin".to_owned()),
            emergency_contact: Some("Alan Sample, +49 30 7654321".to_owned()),
            clinical_notes: Some("Left knee, six weeks after surgery.".to_owned()),
        }
    }
}

impl Example for UpdatePatient {
    fn example() -> Self {
        Self { version: 1, record: CreatePatient::example() }
    }
}

/// Which patients to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatientFilter {
    /// Those whose name holds it.
    pub(crate) search: Option<String>,
    /// The one with this e-mail address.
    pub(crate) email: Option<String>,
    /// Those with this telephone number.
    pub(crate) phone: Option<String>,
    /// The one with this number of a document.
    pub(crate) national_id: Option<String>,
}

/// Order of a list of patients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum PatientSort {
    /// By last name, then first name.
    #[default]
    #[oai(rename = "last_name")]
    LastName,
    /// The newest first.
    #[oai(rename = "-created_at")]
    Newest,
}
