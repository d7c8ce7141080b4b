//! Who is not to be tracked.

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

/// Exclusions, and what is remembered of them.
pub(crate) struct ExclusionService {
    pub repository: ExclusionRepository,
    pub cache: Arc<ConsentCache>,
}

impl ExclusionService {
    /// A page of those that the member may know of.
    pub(crate) async fn list(&self, member: &Member, paging: &Paging) -> Result<Page<Exclusion>, ExclusionError> {
        let (exclusions, total) = self.repository.list(member, paging).await?;
        Ok(paging.page(exclusions, total))
    }

    /// Excludes somebody; nothing about it is stored when this returns.
    pub(crate) async fn create(&self, member: &Member, subject_id: i64) -> Result<Exclusion, ExclusionError> {
        let added = self.repository.add(member, subject_id, source(member, subject_id)).await;
        // Also after a failure: a commit whose answer was lost has been made.
        self.forget(member, subject_id).await;
        added?.ok_or(ExclusionError::Erasure(ErasureInProgress))
    }

    /// Lifts an exclusion.
    pub(crate) async fn delete(&self, member: &Member, subject_id: i64) -> Result<(), ExclusionError> {
        // Only agreement is remembered, and nobody who is excluded is known to agree: nothing to forget.
        let removed = self.repository.remove(member, subject_id, source(member, subject_id)).await?;
        if removed { Ok(()) } else { Err(ExclusionError::NotFound) }
    }

    async fn forget(&self, member: &Member, user_id: i64) {
        self.cache.forget(Subject { organization_id: member.organization_id, user_id }).await;
    }
}

/// On which side the member stands.
fn source(member: &Member, subject_id: i64) -> ExclusionSource {
    if subject_id == member.user_id { ExclusionSource::Person } else { ExclusionSource::Admin }
}
