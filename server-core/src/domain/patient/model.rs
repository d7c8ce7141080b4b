use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{
    mark::Phi,
    value::{EmailAddress, Line, Name, PhoneNumber, Prose},
};
use uuid::Uuid;

use crate::ids::{PatientId, UserId};

/// Person who is treated by the organization.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Patient {
    /// Id of the patient.
    pub(crate) id: PatientId,
    /// Random UUID, for links. Unlike `id`, it does not reveal the number of patients.
    pub(crate) uid: Uuid,
    /// Id of the user who signs in as the patient; absent if none is linked.
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
    /// Contact in an emergency.
    pub(crate) emergency_contact: Option<Phi<String>>,
    /// Clinical notes. Specialists who treat the patient and administrators can read them; absent for other callers.
    pub(crate) clinical_notes: Option<Phi<String>>,
    /// Version of the record, to be sent with the next change; increases with each change.
    pub(crate) version: i64,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
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
            first_name: input.first_name.into_inner().into(),
            last_name: input.last_name.into_inner().into(),
            email: shown(input.email),
            phone: shown(input.phone),
            date_of_birth: input.date_of_birth.map(Phi::from),
            national_id: shown(input.national_id),
            address: shown(input.address),
            emergency_contact: shown(input.emergency_contact),
            clinical_notes: shown(input.clinical_notes),
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
    pub(crate) first_name: Name<100>,
    /// Last name.
    pub(crate) last_name: Name<100>,
    /// E-mail address, unique among the patients of the organization, without regard to letter case.
    pub(crate) email: Option<EmailAddress>,
    /// Telephone number, with the country prefix (`+49 …`), or in the national form of the organization's country.
    pub(crate) phone: Option<PhoneNumber>,
    /// Date of birth, from 1850 to today in the organization's time zone.
    pub(crate) date_of_birth: Option<NaiveDate>,
    /// Number of a national identity document or health insurance.
    #[oai(validator(pattern = r"^[^\x00-\x1f\x7f]*[A-Za-z0-9][^\x00-\x1f\x7f]*$"))]
    pub(crate) national_id: Option<Line<1, 64>>,
    /// Postal address.
    pub(crate) address: Option<Prose<1, 500>>,
    /// Contact in an emergency.
    pub(crate) emergency_contact: Option<Prose<1, 300>>,
    /// Clinical notes. A value from a caller who may not read them is ignored.
    pub(crate) clinical_notes: Option<Prose<1, 20_000>>,
}

/// Values that replace those of a patient; a value that is left out is removed.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdatePatient {
    /// Version that the change is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// New values of the record.
    #[oai(flatten)]
    pub(crate) record: CreatePatient,
}

impl Example for CreatePatient {
    fn example() -> Self {
        Self {
            first_name: Name::from_static("Grace"),
            last_name: Name::from_static("Sample"),
            email: Some(EmailAddress::from_static("grace.sample@example.com")),
            phone: Some(PhoneNumber::from_static("+49 30 1234567")),
            date_of_birth: NaiveDate::from_ymd_opt(1980, 2, 29),
            national_id: Some(Line::from_static("L01X00T47")),
            address: Some(Prose::from_static("1 Example Street, 10115 Berlin")),
            emergency_contact: Some(Prose::from_static("Alan Sample, +49 30 7654321")),
            clinical_notes: Some(Prose::from_static("Left knee, six weeks after surgery.")),
        }
    }
}

impl Example for UpdatePatient {
    fn example() -> Self {
        Self { version: 1, record: CreatePatient::example() }
    }
}

/// Returns a value of a request as an answer shows it.
pub(super) fn shown(value: Option<impl Into<String>>) -> Option<Phi<String>> {
    value.map(|value| Phi::from(value.into()))
}

/// Conditions of a list of patients; all of them must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatientFilter {
    /// Words that the name contains.
    pub(crate) search: Option<Line<0, 100>>,
    /// E-mail address.
    pub(crate) email: Option<EmailAddress>,
    /// Telephone number.
    pub(crate) phone: Option<PhoneNumber>,
    /// Number of a document.
    pub(crate) national_id: Option<Line<0, 64>>,
}

/// Order of a list of patients.
///
/// - `last_name`: by last name, then first name, in the order of the Unicode collation
/// - `-created_at`: latest creation first
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum PatientSort {
    /// By last name, then first name.
    #[default]
    #[oai(rename = "last_name")]
    LastName,
    /// Latest creation first.
    #[oai(rename = "-created_at")]
    Newest,
}
