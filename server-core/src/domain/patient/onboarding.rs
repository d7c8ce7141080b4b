//! Parts of the onboarding of a patient, which is one transaction of several domains.

use server_shared::error::FieldFault;

use super::{
    duplicate::{self, PossibleDuplicate},
    error::PatientError,
    locale::Locale,
    model::{CreatePatient, Patient},
    service::{Service, locale},
};
use crate::{
    database::{DatabaseError, WriteTx},
    identity::{Caller, Permission},
    ids::OrganizationId,
};

/// Values of a new patient whose faults are known.
pub(crate) struct Entered {
    record: CreatePatient,
    /// Key of the telephone number.
    phone: Option<String>,
}

impl Service {
    /// Checks the values of a new patient; returns their faults, with pointers below `at`.
    pub(crate) async fn enter(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        record: CreatePatient,
        at: &str,
    ) -> Result<(Entered, Vec<FieldFault>), DatabaseError> {
        let locale = locale(tx, organization, Locale::matters(&record)).await?;
        let (phone, faults) = locale.faults(&record, None, at);
        Ok((Entered { record, phone }, faults))
    }

    /// Adds a patient without a user. Returns it with other patients who may be the same person, as far as the caller
    /// may read patients.
    pub(crate) async fn add(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        entered: Entered,
    ) -> Result<(Patient, Vec<PossibleDuplicate>), PatientError> {
        let Entered { record, phone } = entered;
        let (patient, alike) = self.insert(tx, caller, organization, record, phone).await?;
        let duplicates = if caller.may(Permission::PatientRead).is_ok() {
            duplicate::duplicates(tx, organization, patient.id, &alike).await?
        } else {
            Vec::new()
        };
        Ok((patient, duplicates))
    }
}
