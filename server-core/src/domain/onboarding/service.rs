use super::{
    error::OnboardingError,
    model::{OnboardPatient, OnboardedPatient},
};
use crate::{
    audit::Audit,
    database::{Database, Disclosed, Sealed},
    domain::{
        consent::{ConsentDecision, consents_record},
        invitation::{self, InvitationError},
        patient::{self, PatientEvent},
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
}

impl Service {
    /// Enters a patient in one transaction: after a failure nothing of it is left, and nobody has been invited.
    pub(super) async fn onboard(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        body: OnboardPatient,
    ) -> Result<Disclosed<OnboardedPatient>, OnboardingError> {
        let OnboardPatient { patient: record, login, consents } = body;
        let mut faults = ConsentDecision::check(&consents, "/consents");
        let invitee = login.as_ref().map(|login| self.invitations.invitee(organization, login, "/login")).transpose();
        let invitee = invitee.unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });

        let mut tx = self.database.write(caller).await?;
        let (entered, wrong) = self.patients.enter(&mut tx, organization, record, "/patient").await?;
        faults.extend(wrong);
        let mut conflict = None;
        if let Some(invitee) = &invitee {
            match self.invitations.invitee_check(&mut tx, caller, invitee, "/login").await {
                Ok(()) => {}
                Err(InvitationError::Invalid(invalid)) => faults.extend(invalid.into_faults()),
                // Wrong values are named first, all of them.
                Err(error) => conflict = Some(error),
            }
        }
        InvalidValue::check(faults)?;
        if let Some(conflict) = conflict {
            return Err(conflict.into());
        }

        let (patient, possible_duplicates) = self.patients.add(&mut tx, caller, organization, entered).await?;
        let mut events = Events::from(PatientEvent::Created(patient.id));
        let mut invitation = None;
        if let Some(invitee) = &invitee {
            let invited = self.invitations.invite_newcomer(&mut tx, caller, organization, patient.id, invitee).await?;
            invitation = Some(invited.0);
            events = events.and([invited.1]);
        }
        events = events.and(consents_record(&mut tx, organization, patient.id, &consents).await?);
        if !possible_duplicates.is_empty() {
            events = events.disclosing(Audit::read(possible_duplicates.iter().map(|other| &other.patient_id)));
        }
        let onboarded = Sealed::new(OnboardedPatient { patient, invitation, possible_duplicates });
        Ok(tx.commit_sealed(onboarded, |_| events).await?)
    }
}
