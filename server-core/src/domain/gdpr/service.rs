use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt, stream};
use poem::Body;
use restartix_sdk::{ByteStream, Failure, telemetry};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    error::GdprError,
    model::{ErasureAccepted, ErasureJob, ErasureMode, ErasureRecord, ExportedHolding, Subject, UserSubject},
    registry::{HOLDINGS, Holding, Shown},
    repository::{self, HeldRow, Person, RowKey},
    work::{Erasure, Progress},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Sealed, Tx},
    encryption::{Encryption, RowCipher},
    http::Caller,
    ids::{OrganizationId, PatientId},
    integration::s3::Storage,
    jobs::{self, Job, JobState, Work},
};

/// Exports and erasures.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    encryption: Arc<Encryption>,
    storage: Storage,
    telemetry: telemetry::Client,
}

impl Service {
    /// `telemetry` must be as patient as the longest export takes.
    pub(crate) fn new(
        database: Database,
        encryption: Arc<Encryption>,
        storage: Storage,
        telemetry: telemetry::Client,
    ) -> Self {
        Self { database, encryption, storage, telemetry }
    }

    /// Enqueues an erasure, or finds the one that was asked for before.
    pub(super) async fn erase(
        &self,
        caller: &Caller,
        subject: Subject,
        mode: ErasureMode,
        dry_run: bool,
    ) -> Result<ErasureAccepted, GdprError> {
        let mut tx = self.database.write(caller).await?;
        let subject = whole_person(&mut tx, subject).await?;
        let exists = repository::subject_exists(&mut tx, subject).await?;
        let work = Erasure { subject, mode, dry_run };
        let latest = latest(&mut tx, caller, &work).await?;
        if let Some(job) = latest.filter(|job| is_open(job) || !exists) {
            return Ok(accepted(&job, dry_run));
        }
        if !exists {
            return Err(not_found(subject));
        }
        if let Subject::User(user) = subject
            && repository::is_last_admin(&mut tx, user).await?
        {
            return Err(GdprError::LastAdmin);
        }
        let Some(id) = tx.enqueue(&work).await? else {
            // Somebody asked for the same at the same time.
            let job = self::latest(&mut tx, caller, &work).await?.ok_or(GdprError::JobNotFound)?;
            return Ok(accepted(&job, dry_run));
        };
        tx.commit(Audit::action("requested", &ErasureRecord(id)).and([subject_audit("erasure_requested", subject)]))
            .await?;
        Ok(ErasureAccepted { job_id: id, status: JobState::Queued, dry_run })
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

    /// Everything that is held on a person, as one JSON document. What Core holds is read and audited
    /// before the first byte is sent; what Telemetry holds goes through as it comes.
    pub(super) async fn export(&self, caller: &Caller, subject: Subject) -> Result<Body, GdprError> {
        let exported_at = Utc::now();
        // The account is no organization's, and the application role sees its own alone. So this runs as
        // the owner, who is bound to the caller's organization all the same.
        let mut tx = self.database.disclose(&caller.privileged()).await?;
        let subject = whole_person(&mut tx, subject).await?;
        if !repository::subject_exists(&mut tx, subject).await? {
            return Err(not_found(subject));
        }
        let person = repository::person_get(&mut tx, subject).await?;
        let mut holdings = Vec::new();
        let shows = |holding: &&Holding| holding.columns.iter().any(|column| column.shown != Shown::Nothing);
        for holding in HOLDINGS.iter().filter(shows) {
            let rows = repository::holding_rows(&mut tx, holding, &person).await?;
            let mut rows = rows.into_iter().map(|row| self.open(holding, row)).collect::<Result<Vec<_>, _>>()?;
            if holding.account && caller.organization.is_some() {
                rows.iter_mut().for_each(without_the_platform);
            }
            holdings.push(ExportedHolding {
                store: "postgresql".to_owned(),
                table: holding.table.to_owned(),
                found_by: holding.found.to_string(),
                rows,
            });
        }
        let records = person.patients.iter().map(|id| Audit::read([&PatientId(*id)])).collect::<Vec<_>>();
        let audit = subject_audit("exported", subject).and(records);
        let mut holdings = tx.disclose(Sealed::new(holdings), |_| audit).await?;
        for prefix in &person.files {
            let files = self.storage.list(prefix).await.map_err(GdprError::Storage)?;
            holdings.push(ExportedHolding {
                store: "s3".to_owned(),
                table: prefix.clone(),
                found_by: "key:name".to_owned(),
                rows: files.into_iter().map(|key| json!({ "key": key })).collect(),
            });
        }
        let telemetry = self.telemetry_parts(caller.organization, &person).await?;

        let mut head = json!({
            "subject_kind": subject.kind(),
            "subject_id": subject.id(),
            "organization_id": caller.organization,
            "exported_at": exported_at,
            "core": holdings,
        });
        if caller.organization.is_none()
            && let Value::Object(head) = &mut head
        {
            head.shift_remove("organization_id");
        }
        Ok(Body::from_bytes_stream(document(&head.to_string(), telemetry)))
    }

    fn open(&self, holding: &Holding, row: HeldRow) -> Result<Value, DatabaseError> {
        let HeldRow { key, mut columns } = row;
        let key = key
            .map(|RowKey { organization, key, wrapped, row }| {
                let data_key = match key {
                    Some(id) => self.encryption.open_key(organization, id, &wrapped),
                    None => self.encryption.open_user_key(row, &wrapped),
                };
                data_key.map(|data_key| (data_key, organization, row))
            })
            .transpose()?;
        for column in holding.columns {
            let Shown::Sealed(name) = column.shown else { continue };
            let sealed = columns.shift_remove(column.name).filter(|value| !value.is_null());
            if let (Some(sealed), Some((data_key, organization, row))) = (sealed, &key) {
                let cipher = RowCipher::new(data_key, *organization, holding.table, *row);
                let value = cipher.open(name, Some(&repository::bytes(&sealed)?))?;
                columns.insert(name.to_owned(), value.into());
            }
        }
        Ok(Value::Object(columns))
    }

    /// Telemetry's documents, each begun: what can fail at the start has not.
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

/// An organization is not told where else the person is, nor what it is above organizations.
fn without_the_platform(account: &mut Value) {
    if let Value::Object(columns) = account {
        columns.shift_remove("current_organization_id");
        columns.shift_remove("superadmin");
    }
}

/// The document: what Core holds, and Telemetry's documents in a list at its end.
fn document(
    head: &str,
    telemetry: Vec<ByteStream>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + use<> {
    let open = head.strip_suffix('}').unwrap_or(head).to_owned() + ",\"telemetry\":[";
    let parts = stream::iter(telemetry.into_iter().enumerate()).flat_map(|(index, part)| {
        let comma = (index > 0).then(|| Ok(Bytes::from_static(b",")));
        let part = part.into_inner().map(|chunk| chunk.map_err(std::io::Error::other));
        stream::iter(comma).chain(part)
    });
    stream::iter([Ok(Bytes::from(open))]).chain(parts).chain(stream::iter([Ok(Bytes::from_static(b"]}"))]))
}

/// A patient whose user is nothing else is asked for as that user.
async fn whole_person(tx: &mut impl Tx, subject: Subject) -> Result<Subject, DatabaseError> {
    Ok(match subject {
        Subject::Patient(patient) => repository::patient_user(tx, patient).await?.map_or(subject, Subject::User),
        Subject::User(_) => subject,
    })
}

/// The last time that the same was asked for.
async fn latest(tx: &mut impl Tx, caller: &Caller, work: &Erasure) -> Result<Option<Job>, DatabaseError> {
    let Some(key) = work.key() else { return Ok(None) };
    jobs::job_latest(tx, caller.organization.map_or(0, |id| id.0), Erasure::KIND, &key).await
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

fn subject_audit(action: &'static str, subject: Subject) -> Audit {
    match subject {
        Subject::User(user) => Audit::action(action, &UserSubject(user)),
        Subject::Patient(patient) => Audit::action(action, &patient),
    }
}
