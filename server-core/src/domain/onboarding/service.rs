use super::{
    error::OnboardingError,
    model::{OnboardPatient, OnboardedPatient},
};
use crate::{
    audit::Audit,
    database::{Database, Disclosed, Lock, Sealed},
    domain::{
        consent::{ConsentDecision, consents_record},
        invitation::{self, InvitationError},
        patient::{self, PatientEvent},
        profile::{self, ProfileError},
        rules::InvalidValue,
    },
    event::Events,
    identity::Caller,
    ids::OrganizationId,
};

/// Service that enters a patient with everything that belongs to it.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) patients: patient::Service,
    pub(crate) invitations: invitation::Service,
    pub(crate) profiles: profile::Service,
}

impl Service {
    /// Enters a patient in one transaction: after a failure nothing of it is left, and nobody has been invited. Wrong
    /// values are reported at once, before any conflict.
    pub(super) async fn onboard(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        body: OnboardPatient,
    ) -> Result<Disclosed<OnboardedPatient>, OnboardingError> {
        let OnboardPatient { patient: record, login, values, consents } = body;
        let mut faults = ConsentDecision::check(&consents, "/consents");
        let invitee = login.as_ref().map(|login| self.invitations.invitee(organization, login, "/login")).transpose();
        let invitee = invitee.unwrap_or_else(|invalid| {
            faults.extend(invalid.into_faults());
            None
        });

        let locks = if values.is_empty() { Vec::new() } else { vec![Lock::FieldsRead(organization)] };
        let mut tx = self.database.write_locked(caller, locks).await?;
        let (entered, wrong) = self.patients.enter(&mut tx, organization, record, "/patient").await?;
        faults.extend(wrong);
        let mut conflict = None;
        if let Some(invitee) = &invitee {
            match self.invitations.invitee_check(&mut tx, caller, invitee, "/login").await {
                Ok(()) => {}
                Err(InvitationError::Invalid(invalid)) => faults.extend(invalid.into_faults()),
                Err(error) => conflict = Some(error),
            }
        }

        let (patient, possible_duplicates) = match self.patients.add(&mut tx, caller, organization, entered).await {
            Ok(added) => added,
            Err(error) => {
                InvalidValue::check(faults)?;
                return Err(error.into());
            }
        };
        let mut events = Events::from(PatientEvent::Created(patient.id));
        // The values are checked against the new record, so it is added even if others are wrong.
        let profile = self.profiles.first_values(&mut tx, caller, organization, patient.id, &values, "/values").await;
        match profile {
            Ok(profile) => events = events.and(profile),
            Err(ProfileError::Invalid(invalid)) => faults.extend(invalid.into_faults()),
            Err(error) => return Err(error.into()),
        }
        InvalidValue::check(faults)?;
        if let Some(conflict) = conflict {
            return Err(conflict.into());
        }

        let mut invitation = None;
        if let Some(invitee) = &invitee {
            let (made, event) =
                self.invitations.invite_newcomer(&mut tx, caller, organization, patient.id, invitee).await?;
            invitation = Some(made);
            events = events.and([event]);
        }
        events = events.and(consents_record(&mut tx, organization, patient.id, &consents).await?);
        if !possible_duplicates.is_empty() {
            events = events.disclosing(Audit::read(possible_duplicates.iter().map(|other| &other.patient_id)));
        }
        let onboarded = Sealed::new(OnboardedPatient { patient, invitation, possible_duplicates });
        Ok(tx.commit_sealed(onboarded, |_| events).await?)
    }
}
