//! Jobs that keep segments fresh. A change makes the segments due that read it, and a sweep enqueues the evaluation of
//! those that are due. Both read what is stored when they run, so that neither order nor repetition matters.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{error::SegmentError, event::SegmentEvent, repository, service::Service, touched::Touched};
use crate::{
    database::{Across, DatabaseError},
    domain::{
        appointment::AppointmentEvent, custom_field::CustomFieldEvent, form::FormEvent,
        form_template::FormTemplateEvent, organization::OrganizationEvent, patient::PatientEvent,
        profile::ProfileEvent,
    },
    event::Audience,
    identity::Caller,
    ids::{PatientId, SegmentId},
    jobs::{Handler, JobError, JobRun, NewJob, Outcome, Work, jobs_enqueue},
};

/// Change that segments follow.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SegmentsFollow {
    touched: Touched,
}

impl Work for SegmentsFollow {
    const KIND: &'static str = "segments_follow";
    // There are many, and their rows are of no use afterwards.
    const KEEP_DAYS: i32 = 1;
}

/// Evaluation of a segment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SegmentEvaluate {
    segment_id: SegmentId,
}

impl Work for SegmentEvaluate {
    const KIND: &'static str = "segment_evaluate";
    // Few attempts: the sweep enqueues another one.
    const ATTEMPTS: Option<i32> = Some(6);
    const KEEP_DAYS: i32 = 1;

    /// Returns one key for each segment: a change during an evaluation makes the segment due again.
    fn key(&self) -> Option<String> {
        Some(format!("segment:{}", self.segment_id))
    }
}

/// Returns the job after a change, if anybody listens.
fn follow(listens: bool, touched: Option<Touched>) -> Vec<SegmentsFollow> {
    touched.filter(|_| listens).map(|touched| SegmentsFollow { touched }).into_iter().collect()
}

/// Follows changes of patients' records.
pub(crate) fn patients_follow(event: &PatientEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let touched = match event {
        PatientEvent::Created(_)
        | PatientEvent::Updated(..)
        | PatientEvent::Deleted(_)
        | PatientEvent::Linked(_)
        | PatientEvent::Unlinked(_) => Some(Touched::Patients),
        PatientEvent::Merged(_)
        | PatientEvent::MergedAway(_)
        | PatientEvent::Erased(_)
        | PatientEvent::Anonymized(_) => Some(Touched::Everything),
        PatientEvent::LinkRequested(_)
        | PatientEvent::ConsentRecorded(_)
        | PatientEvent::ErasureRequested(_)
        | PatientEvent::ErasurePlanned(_) => None,
    };
    follow(audience.segments, touched)
}

/// Follows changes of patients' profiles.
pub(crate) fn profiles_follow(_: &ProfileEvent<PatientId>, audience: Audience) -> Vec<SegmentsFollow> {
    follow(audience.segments, Some(Touched::Profiles))
}

/// Follows appointments. Holds are none.
pub(crate) fn appointments_follow(event: &AppointmentEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let touched = match event {
        AppointmentEvent::Created(_)
        | AppointmentEvent::Booked(_)
        | AppointmentEvent::Confirmed(_)
        | AppointmentEvent::Started(_)
        | AppointmentEvent::Completed(_)
        | AppointmentEvent::NoShow(_)
        | AppointmentEvent::Updated { .. }
        | AppointmentEvent::Rescheduled { .. }
        | AppointmentEvent::Reassigned(_)
        | AppointmentEvent::Cancelled(_)
        | AppointmentEvent::Deleted(_) => Some(Touched::Appointments),
        AppointmentEvent::Held(_)
        | AppointmentEvent::Offered(_)
        | AppointmentEvent::Released(_)
        | AppointmentEvent::Expired(_)
        | AppointmentEvent::Withdrawn(_)
        | AppointmentEvent::Joined(_) => None,
    };
    follow(audience.appointment_segments, touched)
}

/// Follows answers that count, and those that do no more.
pub(crate) fn forms_follow(event: &FormEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let touched = match event {
        FormEvent::Submitted(_) | FormEvent::Reopened(_) | FormEvent::Migrated(_) | FormEvent::Voided(_) => {
            Some(Touched::Forms)
        }
        FormEvent::Created(_)
        | FormEvent::Saved(..)
        | FormEvent::SignatureAdded(_)
        | FormEvent::Signed(_)
        | FormEvent::Amended(_)
        | FormEvent::Deleted(_)
        | FormEvent::Overdue(_) => None,
    };
    follow(audience.segments, touched)
}

/// Follows definitions of custom fields.
pub(crate) fn fields_follow(event: &CustomFieldEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let CustomFieldEvent::Updated(id, _) = event else { return Vec::new() };
    follow(audience.segments, Some(Touched::CustomField(*id)))
}

/// Follows versions of form templates.
pub(crate) fn form_templates_follow(event: &FormTemplateEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let FormTemplateEvent::Published(id) = event else { return Vec::new() };
    follow(audience.segments, Some(Touched::FormTemplate(*id)))
}

/// Follows the time zone of an organization, in which days are.
pub(crate) fn zones_follow(event: &OrganizationEvent, audience: Audience) -> Vec<SegmentsFollow> {
    let is_changed = matches!(event, OrganizationEvent::Updated(_, changed) if changed.contains(&"timezone"));
    follow(audience.segments && is_changed, Some(Touched::Everything))
}

/// Follows segments that others read.
pub(crate) fn segments_follow(event: &SegmentEvent, _: Audience) -> Vec<SegmentsFollow> {
    follow(true, event.read_by_others().map(Touched::Segment))
}

/// Evaluates rules once they are written.
pub(crate) fn segment_evaluate(event: &SegmentEvent, _: Audience) -> Vec<SegmentEvaluate> {
    event.written().map(|segment_id| SegmentEvaluate { segment_id }).into_iter().collect()
}

/// Enqueues the evaluation of every segment that is due; returns the number of jobs.
pub(crate) async fn segments_sweep(across: Across) -> Result<u64, DatabaseError> {
    let due = repository::segments_due(&across).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let job = |(organization, segment_id)| NewJob::of(&SegmentEvaluate { segment_id }, Some(organization), None);
    let jobs = due.into_iter().map(job).collect::<Result<Vec<_>, _>>()?;
    jobs_enqueue(across.pool(), &jobs).await
}

/// Handler of [`SegmentsFollow`].
pub(crate) struct SegmentsFollower {
    pub(crate) across: Across,
}

#[async_trait]
impl Handler for SegmentsFollower {
    type Work = SegmentsFollow;

    async fn run(&self, work: SegmentsFollow, attempt: &JobRun) -> Result<Outcome, JobError> {
        let organization = attempt.organization()?;
        // Other jobs for the same were enqueued by committed transactions, whose changes the evaluation reads, too.
        attempt.absorb(&self.across, &work).await?;
        repository::segments_mark(&self.across, organization, work.touched).await?;
        Ok(Outcome::Done)
    }
}

/// Handler of [`SegmentEvaluate`].
pub(crate) struct SegmentEvaluator {
    pub(crate) segments: Service,
}

#[async_trait]
impl Handler for SegmentEvaluator {
    type Work = SegmentEvaluate;

    async fn run(&self, work: SegmentEvaluate, attempt: &JobRun) -> Result<Outcome, JobError> {
        let organization = attempt.organization()?;
        let caller = Caller::job(attempt.organization, SegmentEvaluate::KIND, attempt.id);
        match self.segments.evaluate_due(&caller, organization, work.segment_id).await {
            // A segment that was deleted needs no evaluation.
            Ok(()) | Err(SegmentError::NotFound) => Ok(Outcome::Done),
            Err(SegmentError::Database(error)) => Err(error.into()),
            Err(error) => Err(JobError::retry("evaluation_failed", error)),
        }
    }
}
