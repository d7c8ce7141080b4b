use std::sync::Arc;

use chrono::Utc;
use restartix_sdk::{ByteStream, Failure, telemetry};
use uuid::Uuid;

use super::{
    error::GdprError,
    event::ErasureEvent,
    export::{Export, ExportHead},
    job::{Erasure, Progress, Scope},
    model::{ErasureAccepted, ErasureJob, ErasureMode, ErasureRecord, Subject},
    repository::{self, Person},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Lock, Tx},
    domain::{
        member,
        patient::{self, PatientEvent},
        user::UserEvent,
    },
    encryption::{Encryption, OrganizationKeys},
    event::Events,
    holding::Holdings,
    identity::{self, Caller, Changed},
    ids::{OrganizationId, PatientId},
    integration::s3::Storage,
    jobs::{self, Job, JobState, Work},
};

/// Service for exports and erasures.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    encryption: Arc<Encryption>,
    keys: OrganizationKeys,
    holdings: Holdings,
    storage: Storage,
    telemetry: telemetry::Client,
    members: member::Service,
}

impl Service {
    /// Creates the service. The timeout of `telemetry` must exceed the duration of the longest export.
    pub(crate) fn new(
        database: Database,
        encryption: Arc<Encryption>,
        keys: OrganizationKeys,
        holdings: Holdings,
        storage: Storage,
        telemetry: telemetry::Client,
        members: member::Service,
    ) -> Self {
        Self { database, encryption, keys, holdings, storage, telemetry, members }
    }

    /// Enqueues an erasure, or returns the job of an earlier request for the same.
    pub(super) async fn erase(
        &self,
        caller: &Caller,
        asked: Subject,
        mode: ErasureMode,
        dry_run: bool,
    ) -> Result<ErasureAccepted, GdprError> {
        // As for an export: a person on whom no data is held is unknown.
        let mut tx = self.database.write_locked(&caller.privileged(), record_lock(caller, asked)).await?;
        check_unmerged(&mut tx, asked).await?;
        let subject = whole_person(&mut tx, asked).await?;
        let person = repository::person_get(&mut tx, subject).await?;
        let exists = repository::is_held(&mut tx, self.holdings, &person, caller.organization.is_none()).await?;
        let work = Erasure { subject, mode, dry_run, scope: Scope::Held };
        let latest = latest(&mut tx, caller, &work).await?;
        if let Some(job) = latest.filter(|job| is_open(job) || !exists) {
            return Ok(accepted(&job, dry_run));
        }
        if !exists {
            // An erased record is no longer linked to its user; the user's erasure has recorded it.
            let taken = taken_with_user(&mut tx, caller, &work).await?.ok_or_else(|| not_found(asked))?;
            return Ok(accepted(&taken, dry_run));
        }
        if let Subject::User(user) = subject
            && self.members.is_last_admin(&mut tx, user).await?
        {
            return Err(GdprError::LastAdmin);
        }
        let Some(id) = tx.enqueue(&work).await? else {
            // A concurrent request has enqueued the same job.
            let job = self::latest(&mut tx, caller, &work).await?.ok_or(GdprError::JobNotFound)?;
            return Ok(accepted(&job, dry_run));
        };
        tx.commit(requested(id, subject)).await?;
        Ok(ErasureAccepted { job_id: id, status: JobState::Queued, dry_run })
    }

    /// Ends the caller's memberships immediately, and enqueues the erasure of its account. Records of clinics stay,
    /// without a login.
    pub(super) async fn leave(&self, caller: &identity::Person) -> Result<ErasureAccepted, GdprError> {
        let (user, above) = (caller.id(), caller.above_organizations().privileged());
        let mut tx = self.members.write_leaving(&above, user).await?;
        let work = Erasure::of_account(user);
        if let Some(job) = latest(&mut tx, &above, &work).await?.filter(is_open) {
            return Ok(accepted(&job, false));
        }
        if self.members.is_last_admin(&mut tx, user).await? {
            return Err(GdprError::LastAdmin);
        }
        let left = self.members.leave_all(&mut tx, user).await?;
        let Some(id) = tx.enqueue(&work).await? else {
            // A concurrent request has enqueued the same job.
            let job = latest(&mut tx, &above, &work).await?.ok_or(GdprError::JobNotFound)?;
            return Ok(accepted(&job, false));
        };
        tx.changed(Changed::User(user));
        tx.commit(requested(id, Subject::User(user)).and(left)).await?;
        Ok(ErasureAccepted { job_id: id, status: JobState::Queued, dry_run: false })
    }

    pub(super) async fn job(&self, caller: &Caller, id: Uuid) -> Result<ErasureJob, GdprError> {
        let mut reader = self.database.read(caller).open().await?;
        let found = repository::erasure_get(&mut reader, Erasure::KIND, id).await?;
        let (organization_id, job) = found.ok_or(GdprError::JobNotFound)?;
        let damaged = |error| DatabaseError::Damaged(format!("job {id}: {error}"));
        let work: Erasure = serde_json::from_value(job.payload).map_err(damaged)?;
        let progress: Progress = serde_json::from_value(job.progress).map_err(damaged)?;
        Ok(ErasureJob {
            job_id: job.id,
            status: job.state,
            dry_run: work.dry_run,
            mode: work.mode,
            subject_kind: work.subject.kind(),
            subject_id: work.subject.id(),
            organization_id,
            account: progress.account,
            plan: progress.plan,
            receipt: progress.receipt,
            attempts: job.attempts,
            last_error: job.last_error,
            requested_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        })
    }

    /// Exports all data on a person as one streamed JSON document. The disclosure is audited before the first byte is
    /// sent.
    pub(super) async fn export(&self, caller: &Caller, asked: Subject) -> Result<Disclosed<Export>, GdprError> {
        let exported_at = Utc::now();
        // The application role can read only the caller's own account. So this runs as the owner of the tables, who is
        // restricted to the caller's organization as well.
        let mut tx = self.database.disclose(&caller.privileged()).await?;
        check_unmerged(&mut tx, asked).await?;
        let subject = whole_person(&mut tx, asked).await?;
        let person = repository::person_get(&mut tx, subject).await?;
        if !repository::is_held(&mut tx, self.holdings, &person, caller.organization.is_none()).await? {
            return Err(not_found(asked));
        }
        let records = person.patients.iter().map(|id| Audit::read([&PatientId(*id)])).collect::<Vec<_>>();
        let disclosed = tx.disclose_in_pages(exported(subject).and(records)).await?;
        let mut files = Vec::new();
        for prefix in &person.files {
            files.push((prefix.clone(), self.storage.list(prefix).await.map_err(GdprError::Storage)?));
        }
        let telemetry = self.telemetry_parts(caller.organization, &person).await?;
        let head = ExportHead {
            subject_kind: subject.kind(),
            subject_id: subject.id(),
            organization_id: caller.organization,
            exported_at,
        };
        let (encryption, keys, holdings) = (Arc::clone(&self.encryption), self.keys.clone(), self.holdings);
        let platform = caller.organization.is_none();
        Ok(disclosed.map(|pages| Export {
            head,
            pages,
            encryption,
            keys,
            holdings,
            person,
            platform,
            files,
            telemetry,
        }))
    }

    /// Requests Telemetry's documents; each of them has begun when this returns, so early errors can still be answered.
    async fn telemetry_parts(
        &self,
        organization: Option<OrganizationId>,
        person: &Person,
    ) -> Result<Vec<ByteStream>, GdprError> {
        use telemetry::types::SubjectKind::{Patient, User};
        let user = person.user.map(|id| (User, id));
        let mut parts = Vec::new();
        for (kind, id) in user.into_iter().chain(person.patients.iter().map(|id| (Patient, *id))) {
            let mut request = self.telemetry.privacy_subject_export().subject_id(id).subject_kind(kind);
            if let Some(organization) = organization {
                request = request.organization_id(organization.0);
            }
            match request.send().await {
                Ok(answer) => parts.push(answer.into_inner()),
                Err(error) => return Err(GdprError::Telemetry(Failure::read(error).await)),
            }
        }
        Ok(parts)
    }
}

/// Returns the lock of a patient record: it is either merged before its erasure is requested, or not merged until the
/// erasure has ended.
fn record_lock(caller: &Caller, subject: Subject) -> Vec<Lock> {
    match (caller.organization, subject) {
        (Some(organization), Subject::Patient(patient)) => vec![Lock::Patient(organization, patient)],
        _ => Vec::new(),
    }
}

/// Refuses a record that was merged into another patient, whose export and erasure cover it.
async fn check_unmerged(tx: &mut impl Tx, subject: Subject) -> Result<(), GdprError> {
    match subject {
        Subject::Patient(patient) => Ok(patient::check_unmerged(tx, patient).await?),
        Subject::User(_) => Ok(()),
    }
}

/// Replaces a patient by its user, if the user's only role is `patient`.
async fn whole_person(tx: &mut impl Tx, subject: Subject) -> Result<Subject, DatabaseError> {
    Ok(match subject {
        Subject::Patient(patient) => repository::patient_user(tx, patient).await?.map_or(subject, Subject::User),
        Subject::User(_) => subject,
    })
}

/// Returns the latest job for the same request.
async fn latest(tx: &mut impl Tx, caller: &Caller, work: &Erasure) -> Result<Option<Job>, DatabaseError> {
    let Some(key) = work.key() else { return Ok(None) };
    jobs::job_latest(tx, caller.organization.map_or(0, |id| id.0), Erasure::KIND, &key).await
}

/// Returns the latest erasure of a user that also covered the patient record.
async fn taken_with_user(tx: &mut impl Tx, caller: &Caller, work: &Erasure) -> Result<Option<Job>, DatabaseError> {
    let (Subject::Patient(patient), false) = (work.subject, work.dry_run) else { return Ok(None) };
    repository::erasure_of_record(tx, caller.organization, Erasure::KIND, work.mode, patient).await
}

fn is_open(job: &Job) -> bool {
    matches!(job.state, JobState::Queued | JobState::Running)
}

fn accepted(job: &Job, dry_run: bool) -> ErasureAccepted {
    ErasureAccepted { job_id: job.id, status: job.state, dry_run }
}

fn not_found(subject: Subject) -> GdprError {
    match subject {
        Subject::User(_) => GdprError::UserNotFound,
        Subject::Patient(_) => GdprError::PatientNotFound,
    }
}

fn exported(subject: Subject) -> Audit {
    match subject {
        Subject::User(user) => Audit::action("exported", &user),
        Subject::Patient(patient) => Audit::action("exported", &patient),
    }
}

/// Returns the events of a requested erasure.
fn requested(id: Uuid, subject: Subject) -> Events {
    Events::from(ErasureEvent::Requested(ErasureRecord(id))).and([match subject {
        Subject::User(user) => Events::from(UserEvent::ErasureRequested(user)),
        Subject::Patient(patient) => PatientEvent::ErasureRequested(patient).into(),
    }])
}
