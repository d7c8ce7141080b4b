use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{
        patient::PatientError,
        rules::{InvalidValue, StaleVersion},
    },
};

errors! {
    /// Errors of profiles.
    pub(crate) enum ProfileError {
        PatientNotFound => NotFound "patient_not_found" "There is no such patient.",
        SpecialistNotFound => NotFound "specialist_not_found" "There is no such specialist.",
        AppointmentNotFound => NotFound "appointment_not_found" "There is no such appointment.",
        OrganizationNotFound => NotFound "organization_not_found" "There is no such organization.",
        RecordClosed => Forbidden "patient_record_closed"
            "The record of the appointment's patient is not open to you, so neither is this profile.",
    }
    and those of {
        Patient(#[from] PatientError),
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
