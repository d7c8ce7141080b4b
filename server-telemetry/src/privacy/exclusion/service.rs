//! Service for exclusions from tracking.

use std::sync::Arc;

use server_shared::http::{Page, Paging};

use super::{
    error::ExclusionError,
    model::{Exclusion, ExclusionSource},
    repository::ExclusionRepository,
};
use crate::{
    identity::Member,
    privacy::{
        cache::{ConsentCache, Subject},
        error::ErasureInProgress,
    },
};

/// Stores exclusions, and keeps the cache of consents in line with them.
pub(crate) struct ExclusionService {
    pub repository: ExclusionRepository,
    pub cache: Arc<ConsentCache>,
}

impl ExclusionService {
    /// Returns a page of the exclusions that the member may see.
    pub(crate) async fn list(&self, member: &Member, paging: &Paging) -> Result<Page<Exclusion>, ExclusionError> {
        let (exclusions, total) = self.repository.list(member, paging).await?;
        Ok(paging.page(exclusions, total))
    }

    /// Excludes a person. When this returns, nothing more about the person is stored.
    pub(crate) async fn create(&self, member: &Member, subject_id: i64) -> Result<Exclusion, ExclusionError> {
        let added = self.repository.add(member, subject_id, source(member, subject_id)).await;
        // Also after a failure: the commit may have succeeded although its answer was lost.
        self.forget(member, subject_id).await;
        added?.ok_or(ExclusionError::Erasure(ErasureInProgress))
    }

    /// Lifts an exclusion.
    pub(crate) async fn delete(&self, member: &Member, subject_id: i64) -> Result<(), ExclusionError> {
        // The cache holds consent only, and no excluded person is in it: there is nothing to remove.
        let removed = self.repository.remove(member, subject_id, source(member, subject_id)).await?;
        if removed { Ok(()) } else { Err(ExclusionError::NotFound) }
    }

    async fn forget(&self, member: &Member, user_id: i64) {
        self.cache.forget(Subject { organization_id: member.organization_id, user_id }).await;
    }
}

/// Returns the source of the exclusions that the member may add and lift for this person.
fn source(member: &Member, subject_id: i64) -> ExclusionSource {
    if subject_id == member.user_id { ExclusionSource::Person } else { ExclusionSource::Admin }
}
