//! Service for consent: decides which events of a person may be stored.

use std::sync::Arc;

use super::{
    cache::{ConsentCache, Subject},
    error::{ConsentError, ErasureInProgress},
    model::{Consent, ConsentUpdate, Purpose},
    repository::ConsentRepository,
};
use crate::{identity::Member, ingest::DropReason, storage::StoreError};

/// Stores people's decisions, and checks them for ingest.
pub(crate) struct ConsentService {
    pub repository: ConsentRepository,
    pub cache: Arc<ConsentCache>,
}

impl ConsentService {
    /// Returns the reason for which nothing about the person may be stored for `purpose` in the organization of the
    /// token; `None` if the person has consented and is not excluded.
    pub(crate) async fn refusal(&self, member: &Member, purpose: Purpose) -> Result<Option<DropReason>, StoreError> {
        let subject = Subject::from(member);
        if self.cache.knows(subject, purpose) {
            return Ok(None);
        }
        let generation = self.cache.generation();
        let status = self.repository.tracking_status(member).await?;
        if status.excluded {
            return Ok(Some(DropReason::Excluded));
        }
        self.cache.remember(subject, status.granted, generation);
        Ok((!status.granted[purpose as usize]).then_some(DropReason::NoConsent))
    }

    /// Returns the current consent of the member.
    pub(crate) async fn get(&self, member: &Member) -> Result<Consent, StoreError> {
        Ok(self.repository.latest(member).await?)
    }

    /// Records a decision, which is in effect when this returns.
    pub(crate) async fn put(&self, member: &Member, update: ConsentUpdate) -> Result<Consent, ConsentError> {
        let consent = self.repository.add(member, &update).await;
        // Also after a failure: the commit may have succeeded although its answer was lost.
        self.cache.forget(Subject::from(member)).await;
        consent?.ok_or(ConsentError::Erasure(ErasureInProgress))
    }
}
