//! Service for consents that Core collects.

use std::sync::Arc;

use super::{
    error::SubjectError,
    model::{Decisions, SubjectConsentUpdate, SubjectJoin},
    repository::{SubjectRepository, Taken},
};
use crate::privacy::{
    cache::{ConsentCache, Subject},
    erasure::SubjectKind,
    error::ErasureInProgress,
};

/// Stores consents that Core collects, and keeps the cache of consents in line with them.
pub(crate) struct SubjectService {
    pub repository: SubjectRepository,
    pub cache: Arc<ConsentCache>,
}

impl SubjectService {
    /// Stores decisions, which are in effect when this returns.
    pub(super) async fn consent_put(
        &self,
        kind: SubjectKind,
        id: i64,
        update: &SubjectConsentUpdate,
    ) -> Result<(), SubjectError> {
        let (organization, decisions) = (update.organization_id, Decisions::from(update));
        let taken = match kind {
            SubjectKind::Patient => self.repository.patient_add(organization, id, &decisions).await,
            SubjectKind::User => self.repository.user_add(organization, id, &decisions).await,
        };
        self.settle(organization, taken).await
    }

    /// Joins a patient with a user.
    pub(super) async fn join(&self, patient: i64, join: SubjectJoin) -> Result<(), SubjectError> {
        let taken = self.repository.join(patient, join).await;
        self.settle(join.organization_id, taken).await
    }

    async fn settle(&self, organization_id: i64, taken: Result<Taken, sqlx::Error>) -> Result<(), SubjectError> {
        // After a failure, the commit may have succeeded although its answer was lost; then Core repeats the request.
        match taken? {
            Taken::Stored(users) => {
                for user_id in users {
                    self.cache.forget(Subject { organization_id, user_id }).await;
                }
                Ok(())
            }
            Taken::Erasing => Err(ErasureInProgress.into()),
            Taken::Erased => Err(SubjectError::Erased),
        }
    }
}
