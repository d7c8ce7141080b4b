//! Whether something about a person may be stored.

use std::sync::Arc;

use super::{
    cache::{ConsentCache, Subject},
    error::{ConsentError, ErasureInProgress},
    model::{Consent, ConsentUpdate, Purpose},
    repository::ConsentRepository,
};
use crate::{identity::Member, ingest::DropReason, storage::StoreError};

/// People's decisions.
pub(crate) struct ConsentService {
    pub repository: ConsentRepository,
    pub cache: Arc<ConsentCache>,
}

impl ConsentService {
    /// Why nothing about the person may be stored for `purpose`, in the organization it acts in; or
    /// nothing, if it agreed and is not excluded.
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

    /// What holds for the member.
    pub(crate) async fn get(&self, member: &Member) -> Result<Consent, StoreError> {
        Ok(self.repository.latest(member).await?)
    }

    /// Records a decision; it holds when this returns.
    pub(crate) async fn put(&self, member: &Member, update: ConsentUpdate) -> Result<Consent, ConsentError> {
        let consent = self.repository.add(member, &update).await;
        // Also after a failure: a commit whose answer was lost has been made.
        self.cache.forget(Subject::from(member)).await;
        consent?.ok_or(ConsentError::Erasure(ErasureInProgress))
    }
}
