//! Whether something about a person may be stored.

use std::sync::Arc;

use super::{
    cache::{ConsentCache, Subject},
    model::{Consent, ConsentUpdate, Purpose},
    repository::ConsentRepository,
};
use crate::{http::Person, storage::StoreError};

/// People's decisions.
pub(crate) struct ConsentService {
    pub repository: ConsentRepository,
    pub cache: Arc<ConsentCache>,
}

impl ConsentService {
    /// Whether the person agreed to `purpose`, in the organization it acts in.
    pub(crate) async fn granted(&self, person: &Person, purpose: Purpose) -> Result<bool, StoreError> {
        let subject = subject(person);
        if self.cache.knows(subject, purpose) {
            return Ok(true);
        }
        let generation = self.cache.generation();
        let consent = self.repository.latest(person).await?;
        self.cache.remember(subject, Purpose::ALL.map(|purpose| consent.of(purpose).granted), generation);
        Ok(consent.of(purpose).granted)
    }

    /// What holds for the person.
    pub(crate) async fn get(&self, person: &Person) -> Result<Consent, StoreError> {
        Ok(self.repository.latest(person).await?)
    }

    /// Records a decision; it holds when this returns.
    pub(crate) async fn put(&self, person: &Person, update: ConsentUpdate) -> Result<Consent, StoreError> {
        let consent = self.repository.add(person, &update).await;
        // Also after a failure: a commit whose answer was lost has been made.
        self.cache.forget(subject(person)).await;
        Ok(consent?)
    }
}

fn subject(person: &Person) -> Subject {
    Subject { organization_id: person.organization_id, user_id: person.user_id }
}
