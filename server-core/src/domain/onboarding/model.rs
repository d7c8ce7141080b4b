use std::collections::BTreeMap;

use poem_openapi::{Object, types::Example};
use serde_json::Value;
use server_shared::value::EmailAddress;

use crate::domain::{
    consent::ConsentDecision,
    invitation::{Invitation, LinkRecord},
    patient::{CreatePatient, Patient, PossibleDuplicate},
};

/// New patient, with everything that the front desk enters at once.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct OnboardPatient {
    /// Values of the record.
    pub(crate) patient: CreatePatient,
    /// Person who is to sign in as the patient, e.g. the patient or a parent; nobody is invited if left out. The
    /// address is not taken from the record. A member can be named by `user_id` only by callers who may use
    /// `patient_link`.
    pub(crate) login: Option<LinkRecord>,
    /// First values of the patient's profile by the keys of their custom fields, at most 200; as in
    /// `patient_profile_update`.
    #[oai(default, validator(max_properties = 200))]
    pub(crate) values: BTreeMap<String, Value>,
    /// Decisions of the patient on consent, at most one for each purpose.
    #[oai(default, validator(max_items = 3))]
    pub(crate) consents: Vec<ConsentDecision>,
}

impl Example for OnboardPatient {
    fn example() -> Self {
        Self {
            patient: CreatePatient::example(),
            login: Some(LinkRecord {
                email: Some(EmailAddress::from_static("grace.sample@example.com")),
                user_id: None,
            }),
            values: BTreeMap::from([("dominant_hand".to_owned(), Value::from("left"))]),
            consents: vec![ConsentDecision::example()],
        }
    }
}

/// Patient who was onboarded.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct OnboardedPatient {
    /// Record of the patient. It has no user until the person accepts the invitation.
    pub(crate) patient: Patient,
    /// Pending invitation to sign in as the patient; absent if nobody was invited.
    pub(crate) invitation: Option<Invitation>,
    /// At most ten other patients of the organization who may be the same person, those with the most in common first.
    /// A hint to look at them, and no error. Empty for callers who may not read patients.
    pub(crate) possible_duplicates: Vec<PossibleDuplicate>,
}

impl Example for OnboardedPatient {
    fn example() -> Self {
        let patient = Patient::example();
        Self {
            invitation: Some(Invitation::of_patient(patient.id)),
            patient,
            possible_duplicates: vec![PossibleDuplicate::example()],
        }
    }
}
