//! Whether something about a person may be stored.

use std::sync::Arc;

use super::{
    cache::{ConsentCache, Subject},
    model::{Consent, ConsentUpdate, Purpose},
    repository::ConsentRepository,
};
use crate::{http::Member, storage::StoreError};

/// People's decisions.
pub(crate) struct ConsentService {
    pub repository: ConsentRepository,
    pub cache: Arc<ConsentCache>,
}

impl ConsentService {
    /// Whether the person agreed to `purpose`, in the organization it acts in.
    pub(crate) async fn granted(&self, member: &Member, purpose: Purpose) -> Result<bool, StoreError> {
        let subject = subject(member);
        if self.cache.knows(subject, purpose) {
            return Ok(true);
        }
        let generation = self.cache.generation();
        let consent = self.repository.latest(member).await?;
        self.cache.remember(subject, Purpose::ALL.map(|purpose| consent.of(purpose).granted), generation);
        Ok(consent.of(purpose).granted)
    }

    /// What holds for the member.
    pub(crate) async fn get(&self, member: &Member) -> Result<Consent, StoreError> {
        Ok(self.repository.latest(member).await?)
    }

    /// Records a decision; it holds when this returns.
    pub(crate) async fn put(&self, member: &Member, update: ConsentUpdate) -> Result<Consent, StoreError> {
        let consent = self.repository.add(member, &update).await;
        // Also after a failure: a commit whose answer was lost has been made.
        self.cache.forget(subject(member)).await;
        Ok(consent?)
    }
}

fn subject(member: &Member) -> Subject {
    Subject { organization_id: member.organization_id, user_id: member.user_id }
}
