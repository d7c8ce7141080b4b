use poem_openapi::{Enum, Object, types::Example};

use crate::ids::PatientId;

/// Value that two patients have in common.
///
/// - `name_and_birth_date`: the date of birth and the words of the name, in any order; letter case and accents make no
///   difference
/// - `phone`: the telephone number
/// - `national_id`: the number of an identity document or health insurance
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum DuplicateReason {
    NameAndBirthDate,
    Phone,
    NationalId,
}

/// Patient who may be the same person.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct PossibleDuplicate {
    /// Id of the other patient.
    pub(crate) patient_id: PatientId,
    /// Values that both patients have, at least one.
    pub(crate) reasons: Vec<DuplicateReason>,
}

impl Example for PossibleDuplicate {
    fn example() -> Self {
        Self { patient_id: PatientId(19), reasons: vec![DuplicateReason::NameAndBirthDate, DuplicateReason::Phone] }
    }
}
