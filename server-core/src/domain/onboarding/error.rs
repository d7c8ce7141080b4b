use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{invitation::InvitationError, patient::PatientError, profile::ProfileError, rules::InvalidValue},
};

errors! {
    /// Errors of an onboarding.
    pub(crate) enum OnboardingError {}
    and those of {
        Patient(#[from] PatientError),
        Invitation(#[from] InvitationError),
        Profile(#[from] ProfileError),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
