//! Stages of an erasure outside the database: files, Telemetry and the identity provider.

use restartix_sdk::{
    Failure,
    telemetry::{self, types::ErasureStatus},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    job::{Run, Scope, Stage},
    model::{ErasureItem, HoldingService, SubjectKind},
    repository,
};
use crate::{encryption::NO_ORGANIZATION, integration::s3::StorageError, jobs::JobError};

/// Erasure requested from Telemetry, of the data keyed by the user or by one patient record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TelemetryPart {
    request_id: Uuid,
    kind: SubjectKind,
    id: i64,
    /// `true` for the user's data outside organizations, which is erased with the account.
    #[serde(default)]
    platform: bool,
}

impl Run<'_> {
    /// Deletes the person's files.
    pub(super) async fn files(&mut self) -> Result<(), JobError> {
        for prefix in &self.progress.person.files {
            let storage = &self.eraser.storage;
            let files = storage.list(prefix).await.map_err(storage_failed)?;
            storage.delete(&files).await.map_err(storage_failed)?;
            let files = files.len() as u64;
            self.progress.receipt.push(ErasureItem::deleted(HoldingService::Core, "s3", prefix.clone(), files));
        }
        let tx = self.write().await?;
        self.commit(tx, Stage::Outbox, self.event()).await
    }

    /// Requests the erasures from Telemetry; returns true if they have finished.
    pub(super) async fn telemetry(&mut self) -> Result<bool, JobError> {
        let mut finished = Vec::new();
        for part in &self.progress.telemetry {
            let kind = match part.kind {
                SubjectKind::User => telemetry::types::SubjectKind::User,
                SubjectKind::Patient => telemetry::types::SubjectKind::Patient,
            };
            let mut request = self.eraser.telemetry.privacy_subject_erase();
            request = request.subject_id(part.id).request_id(part.request_id).subject_kind(kind);
            request = request.mode(self.work.mode.telemetry()).dry_run(self.work.dry_run);
            let organization = if part.platform { Some(NO_ORGANIZATION) } else { self.attempt.organization };
            if let Some(organization) = organization {
                request = request.organization_id(organization.0);
            }
            // A repeated request with the same id changes nothing.
            if let Err(error) = request.send().await {
                return Err(telemetry_failed(Failure::read(error).await));
            }
            match self.eraser.telemetry.privacy_job_get().job_id(part.request_id).send().await {
                Ok(job) => finished.push(job.into_inner()),
                Err(error) => return Err(telemetry_failed(Failure::read(error).await)),
            }
        }
        if finished.iter().any(|job| job.status != ErasureStatus::Finished) {
            return Ok(false);
        }
        for job in finished {
            job.plan.into_iter().for_each(|item| ErasureItem::from(item).add_to(&mut self.progress.plan));
            job.receipt.into_iter().for_each(|item| ErasureItem::from(item).add_to(&mut self.progress.receipt));
        }
        let next = if self.work.dry_run { Stage::Done } else { Stage::IdentityProvider };
        let tx = self.write().await?;
        self.commit(tx, next, self.event()).await?;
        Ok(true)
    }

    /// Deletes the user at the identity provider, and replaces its id there by a hash.
    pub(super) async fn identity_provider(&mut self) -> Result<(), JobError> {
        let mut tx = self.write().await?;
        if let Some(user) = self.progress.person.user.filter(|_| self.progress.account) {
            // The request is not sent within a transaction.
            let clerk_id = repository::clerk_id(&mut tx, user).await?;
            drop(tx);
            let mut deleted = 0;
            if let Some(clerk_id) = &clerk_id {
                let told = self.eraser.clerk.delete(clerk_id).await;
                told.map_err(|error| JobError::retry("clerk_unavailable", error))?;
            }
            tx = self.write().await?;
            if let Some(clerk_id) = &clerk_id {
                let erased = self.eraser.users.erased_name(clerk_id);
                deleted = repository::clerk_id_forget(&mut tx, user, &erased).await?;
            }
            self.progress.receipt.push(ErasureItem::deleted(
                HoldingService::Clerk,
                "users",
                "users".to_owned(),
                deleted,
            ));
            self.forget_after(&mut tx);
        }
        self.commit(tx, Stage::Done, self.event()).await
    }

    /// Returns the erasures to request from Telemetry.
    pub(super) fn telemetry_parts(&self) -> Vec<TelemetryPart> {
        let part = |kind, platform| move |id| TelemetryPart { request_id: Uuid::now_v7(), kind, id, platform };
        let person = &self.progress.person;
        if self.work.scope == Scope::Account {
            return person.user.map(part(SubjectKind::User, true)).into_iter().collect();
        }
        let user = person.user.map(part(SubjectKind::User, false));
        let patients = person.patients.iter().copied().map(part(SubjectKind::Patient, false));
        user.into_iter().chain(patients).collect()
    }
}

pub(super) fn storage_failed(error: StorageError) -> JobError {
    JobError::retry("storage_unavailable", error)
}

fn telemetry_failed(failure: Failure) -> JobError {
    JobError::retry("telemetry_unavailable", failure)
}
