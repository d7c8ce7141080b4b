use super::{model::ConsentDecision, repository};
use crate::{
    database::{DatabaseError, WriteTx},
    domain::patient::PatientEvent,
    ids::{OrganizationId, PatientId},
};

/// Records decisions of a patient within a write; returns the event, if there are any.
pub(crate) async fn consents_record(
    tx: &mut WriteTx,
    organization: OrganizationId,
    patient: PatientId,
    decisions: &[ConsentDecision],
) -> Result<Option<PatientEvent>, DatabaseError> {
    if decisions.is_empty() {
        return Ok(None);
    }
    repository::decisions_add(tx, organization, patient, decisions).await?;
    Ok(Some(PatientEvent::ConsentRecorded(patient)))
}
