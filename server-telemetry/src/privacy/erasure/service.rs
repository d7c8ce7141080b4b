//! Service for the requests of Core.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    error::ErasureError,
    export::{Export, Exporter},
    model::{DataSubject, ErasureAccepted, ErasureJob, ErasureRequest, ErasureStatus},
    repository::ErasureRepository,
    runner::ErasureRunner,
};
use crate::storage::StoreError;

/// Accepts requests, which the runner carries out.
pub(crate) struct ErasureService {
    pub repository: Arc<ErasureRepository>,
    pub runner: Arc<ErasureRunner>,
    pub exporter: Arc<Exporter>,
}

impl ErasureService {
    /// Returns the job of the request, and adds it if it is missing.
    pub(crate) async fn request(&self, request: &ErasureRequest) -> Result<ErasureAccepted, ErasureError> {
        let status = self.repository.add(request).await?.ok_or(ErasureError::RequestReused)?;
        if status == ErasureStatus::Queued {
            self.runner.wake.notify_one();
        }
        Ok(ErasureAccepted { job_id: request.id, status, dry_run: request.dry_run })
    }

    /// Returns a job.
    pub(crate) async fn job(&self, id: Uuid) -> Result<ErasureJob, ErasureError> {
        self.repository.find(id).await?.ok_or(ErasureError::NotFound)
    }

    /// Returns all data about the person, as a document that is written while it is read.
    pub(super) async fn export(&self, subject: DataSubject) -> Result<Export, StoreError> {
        self.exporter.export(subject).await
    }
}
