use super::{
    super::{error::PatientError, event::PatientEvent, service::Service},
    change::{Change, ChangeKind},
    model::{MergePatient, Overlap, PatientMerge},
    repository,
};
use crate::{
    database::{DatabaseError, Tx},
    domain::{
        rules::{InvalidValue, StaleVersion},
        user::UserEvent,
    },
    event::Events,
    identity::{Caller, Changed},
    ids::{AppointmentId, ImpersonationId, PatientId, UserId},
};

/// Number of attempts at a merge. One fails if an appointment of the two records is booked while it takes its locks.
const ATTEMPTS: u32 = 5;

impl Service {
    /// Merges another record into the record of `patient`. Repeated, it changes nothing.
    pub(super) async fn merge(
        &self,
        caller: &Caller,
        patient: PatientId,
        merge: &MergePatient,
    ) -> Result<PatientMerge, PatientError> {
        let merged = merge.merged_patient_id;
        if merged == patient {
            return Err(InvalidValue::new("/merged_patient_id", "other", "must be another patient").into());
        }
        let mut repetitions = 1..ATTEMPTS;
        let (mut tx, changes) = loop {
            let mut tx = self.database.write(caller).await?;
            match repository::patient_merge(&mut tx, patient, merge).await {
                Err(PatientError::Database(error)) if error.is_conflict() && repetitions.next().is_some() => {}
                changes => break (tx, changes?),
            }
        };
        if changes.iter().any(|change| change.kind == ChangeKind::NotThere && change.id == patient.0) {
            return Err(absent(&mut tx, patient).await);
        }
        if let Some(refusal) = refusal(&changes, patient) {
            return Err(refusal);
        }
        let done = |kind| changes.iter().find(|change| change.kind == kind).and_then(|change| change.since);
        let answer = |merged_at| PatientMerge { patient_id: patient, merged_patient_id: merged, merged_at };
        if let Some(merged_at) = done(ChangeKind::Known) {
            return Ok(answer(merged_at));
        }
        let merged_at = done(ChangeKind::Merged)
            .ok_or_else(|| DatabaseError::Damaged("a merge of patients states no time".to_owned()))?;
        let mut events = Events::from(PatientEvent::Merged(patient)).and([PatientEvent::MergedAway(merged)]);
        for change in &changes {
            events = events.and(change.event());
            match change.kind {
                ChangeKind::Impersonation => tx.changed(Changed::Impersonation(ImpersonationId(change.id))),
                ChangeKind::User => {
                    let user = UserId(change.id);
                    tx.changed(Changed::User(user));
                    events = events
                        .and([PatientEvent::Unlinked(merged), PatientEvent::Linked(patient)])
                        .and([UserEvent::Unlinked(user), UserEvent::Linked(user)]);
                }
                _ => {}
            }
        }
        tx.commit(events).await?;
        Ok(answer(merged_at))
    }
}

/// Refuses a record that was merged into a patient whom the caller may read.
pub(crate) async fn check_unmerged(tx: &mut impl Tx, id: PatientId) -> Result<(), PatientError> {
    match repository::merged_into(tx, id).await? {
        Some(merged_into) => Err(PatientError::Merged { merged_into }),
        None => Ok(()),
    }
}

/// Returns the error of a patient that does not exist. It names the patient that the record was merged into, if there
/// is one whom the caller may read.
pub(crate) async fn absent(tx: &mut impl Tx, id: PatientId) -> PatientError {
    check_unmerged(tx, id).await.err().unwrap_or(PatientError::NotFound)
}

/// Returns the reason for which nothing was merged, if there is one.
fn refusal(changes: &[Change], patient: PatientId) -> Option<PatientError> {
    let overlaps: Vec<Overlap> = changes.iter().filter_map(overlap).collect();
    if !overlaps.is_empty() {
        return Some(PatientError::AppointmentsOverlap { overlaps });
    }
    changes.iter().find_map(|change| match (change.kind, change.other) {
        (ChangeKind::NotThere, _) => {
            let message = "is no patient of this organization";
            Some(InvalidValue::new("/merged_patient_id", "unknown_reference", message).into())
        }
        (ChangeKind::NotCurrent, Some(version)) if change.id == patient.0 => Some(StaleVersion::now(version).into()),
        (ChangeKind::NotCurrent, Some(merged_version)) => Some(PatientError::MergedStale { merged_version }),
        (ChangeKind::NotAlone, Some(owner)) => Some(PatientError::AlreadyMerged { merged_into: PatientId(owner) }),
        (ChangeKind::NotErasing, _) => Some(PatientError::ErasureInProgress),
        (ChangeKind::NotTwoUsers, _) => Some(PatientError::BothHaveUsers),
        _ => None,
    })
}

fn overlap(change: &Change) -> Option<Overlap> {
    let other = change.other.filter(|_| change.kind == ChangeKind::NotAtOnce)?;
    Some(Overlap { appointment_id: AppointmentId(change.id), merged_appointment_id: AppointmentId(other) })
}
