//! Records that have a profile.

use super::error::ProfileError;
use crate::{
    domain::custom_field::FieldEntity,
    ids::{AppointmentId, Entity, OrganizationId, PatientId, SpecialistId},
};

/// Record that has a profile, by its id.
pub(super) trait Owner: Entity + Copy + Send + Sync + 'static {
    /// Kind of the record.
    const ENTITY: FieldEntity;

    /// Returns the id as a number.
    fn number(self) -> i64;

    /// Returns the error of a record that does not exist or that the caller does not see.
    fn not_found() -> ProfileError;
}

macro_rules! owners {
    ($($id:ident is $entity:ident else $error:ident;)*) => {
        $(impl Owner for $id {
            const ENTITY: FieldEntity = FieldEntity::$entity;

            fn number(self) -> i64 {
                self.0
            }

            fn not_found() -> ProfileError {
                ProfileError::$error
            }
        })*
    };
}

owners! {
    PatientId is Patient else PatientNotFound;
    SpecialistId is Specialist else SpecialistNotFound;
    AppointmentId is Appointment else AppointmentNotFound;
    OrganizationId is Organization else OrganizationNotFound;
}
