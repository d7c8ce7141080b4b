//! Jobs that send consents to Telemetry, and join a patient with its user there. While Telemetry does not answer they
//! wait; each may be repeated, for Telemetry stores a decision once and joins two once.

use std::{iter, time::Duration};

use async_trait::async_trait;
use restartix_sdk::{
    Failure,
    telemetry::{
        self,
        types::{Purpose, SubjectConsentUpdate, SubjectDecision, SubjectJoin, SubjectKind},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    model::{ConsentPurpose, WaitingDecision},
    repository,
};
use crate::{
    database::{Across, Database},
    domain::patient::{self, PatientEvent},
    event::Audience,
    identity::Caller,
    ids::PatientId,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// Pause before the next attempt while Telemetry erases the person's data.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Most decisions in one request.
const BATCH: i64 = 20;
/// Place of the decisions, as Telemetry keeps it.
const SOURCE: &str = "onboarding";

/// Transfer of a patient's consents.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ConsentPush {
    patient_id: PatientId,
}

impl Work for ConsentPush {
    const KIND: &'static str = "consent_push";
    const ATTEMPTS: Option<i32> = None;
    const KEEP_DAYS: i32 = 1;
}

/// Join of a patient, and of the records that were merged into it, with the patient's user.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ConsentJoin {
    patient_id: PatientId,
}

impl Work for ConsentJoin {
    const KIND: &'static str = "consent_join";
    const ATTEMPTS: Option<i32> = None;
    const KEEP_DAYS: i32 = 1;
}

/// Sends consents after they were recorded.
pub(crate) fn recorded_push(event: &PatientEvent, _: Audience) -> Vec<ConsentPush> {
    let PatientEvent::ConsentRecorded(patient_id) = event else { return Vec::new() };
    vec![ConsentPush { patient_id: *patient_id }]
}

/// Joins a patient with the user who has accepted to sign in as the patient, and a merged record with the user of the
/// patient that it was merged into.
pub(crate) fn patient_join(event: &PatientEvent, _: Audience) -> Vec<ConsentJoin> {
    let (PatientEvent::Linked(patient_id) | PatientEvent::Merged(patient_id)) = event else { return Vec::new() };
    vec![ConsentJoin { patient_id: *patient_id }]
}

/// Sends consents to Telemetry.
pub(crate) struct ConsentPusher {
    pub(crate) across: Across,
    pub(crate) telemetry: telemetry::Client,
}

#[async_trait]
impl Handler for ConsentPusher {
    type Work = ConsentPush;

    async fn run(&self, work: ConsentPush, attempt: &JobRun) -> Result<Outcome, JobError> {
        let (organization, patient) = (attempt.organization()?, work.patient_id);
        loop {
            let waiting = repository::decisions_waiting(&self.across, organization, patient, BATCH).await?;
            if waiting.is_empty() {
                return Ok(Outcome::Done);
            }
            let body = SubjectConsentUpdate {
                organization_id: organization.0,
                decisions: waiting.iter().map(decision).collect(),
                source: SOURCE.to_owned(),
            };
            let request = self.telemetry.privacy_subject_consent_put().subject_id(patient.0);
            let sent = request.subject_kind(SubjectKind::Patient).body(body).send().await;
            if let Err(error) = sent
                && let Answer::Again = answer(Failure::read(error).await)?
            {
                return Ok(Outcome::Again(ASK_AGAIN));
            }
            let ids: Vec<_> = waiting.iter().map(|decision| decision.id).collect();
            repository::decisions_delete(&self.across, organization, patient, &ids).await?;
        }
    }
}

/// Joins patients, and records that were merged into them, with their users at Telemetry.
pub(crate) struct ConsentJoiner {
    pub(crate) database: Database,
    pub(crate) patients: patient::Service,
    pub(crate) telemetry: telemetry::Client,
}

#[async_trait]
impl Handler for ConsentJoiner {
    type Work = ConsentJoin;

    async fn run(&self, work: ConsentJoin, attempt: &JobRun) -> Result<Outcome, JobError> {
        let (organization, patient) = (attempt.organization()?, work.patient_id);
        let caller = Caller::job(attempt.organization, ConsentJoin::KIND, attempt.id);
        let mut tx = self.database.write(&caller).await?;
        let user = self.patients.links.user_of(&mut tx, patient).await?.flatten();
        // Unlinked or deleted meanwhile: nobody is joined by mistake.
        let Some(user) = user else { return Ok(Outcome::Done) };
        let merged = patient::merged_records(&mut tx, patient).await?;
        // No request is sent within a transaction.
        drop(tx);
        for record in iter::once(patient).chain(merged) {
            let body = SubjectJoin { organization_id: organization.0, user_id: user.0 };
            let sent = self.telemetry.privacy_subject_join().subject_id(record.0).body(body).send().await;
            // Nothing is left of an erased record, but there may be consents of the others.
            if let Err(error) = sent
                && let Answer::Again = answer(Failure::read(error).await)?
            {
                return Ok(Outcome::Again(ASK_AGAIN));
            }
        }
        Ok(Outcome::Done)
    }
}

/// Meaning of a refusal that is no error.
enum Answer {
    /// An erasure is in progress.
    Again,
    /// The patient has been erased, so there is nothing left to be sent.
    Erased,
}

fn answer(failure: Failure) -> Result<Answer, JobError> {
    match failure.code.as_deref() {
        Some("subject_erased") => Ok(Answer::Erased),
        Some("erasure_in_progress") => {
            tracing::debug!(error = %failure, "Telemetry erases data of a patient; its consents are sent again");
            Ok(Answer::Again)
        }
        // Counted as a failure, so that the pauses grow: during an outage there is a job for each new patient.
        _ if failure.status.is_none_or(|status| status.is_server_error()) => {
            Err(JobError::retry("telemetry_unavailable", failure))
        }
        // Among others, of a Telemetry that does not know the operation yet.
        _ => Err(JobError::retry("telemetry_refused", failure)),
    }
}

fn decision(waiting: &WaitingDecision) -> SubjectDecision {
    SubjectDecision {
        id: waiting.id,
        purpose: match waiting.purpose {
            ConsentPurpose::Analytics => Purpose::Analytics,
            ConsentPurpose::Media => Purpose::Media,
            ConsentPurpose::Pose => Purpose::Pose,
        },
        granted: waiting.granted,
        text_version: waiting.text_version.clone(),
        decided_at: waiting.decided_at,
    }
}
